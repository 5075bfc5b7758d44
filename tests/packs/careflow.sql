-- The schema that the pack careflow speaks of. Only what the pack reads; every table is read by the index below it.

CREATE TABLE users (
    id bigint PRIMARY KEY,
    created_at timestamptz NOT NULL,
    deleted_at timestamptz,
    locked_until timestamptz,
    time_zone text,
    language text
);
CREATE INDEX ON users (created_at);

CREATE TABLE sessions (
    id bigint PRIMARY KEY,
    user_id bigint,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    country text,
    city text,
    device_type text,
    os text,
    browser text,
    app_version text,
    login_method text
);
CREATE INDEX ON sessions (started_at) INCLUDE (user_id);

CREATE TABLE calls (
    id bigint PRIMARY KEY,
    started_at timestamptz NOT NULL,
    answered_at timestamptz,
    duration_seconds integer,
    status text,
    direction text,
    caller_id bigint,
    callee_id bigint,
    caller_time_zone text,
    callee_time_zone text
);
CREATE INDEX ON calls (started_at);

CREATE TABLE feature_uses (user_id bigint, feature text, used_at timestamptz NOT NULL);
CREATE INDEX ON feature_uses (used_at);

CREATE TABLE ratings (user_id bigint, score integer NOT NULL, rated_at timestamptz NOT NULL);
CREATE INDEX ON ratings (rated_at);

CREATE TABLE costs (
    category text,
    call_class text,
    amount numeric(12, 4) NOT NULL,
    currency text NOT NULL,
    incurred_at timestamptz NOT NULL
);
CREATE INDEX ON costs (incurred_at);

CREATE TABLE billing_accounts (user_id bigint, credit numeric(12, 2), outstanding numeric(12, 2), currency text NOT NULL);

CREATE TABLE charges (user_id bigint, kind text, amount numeric(12, 2) NOT NULL, currency text NOT NULL, charged_at timestamptz NOT NULL);
CREATE INDEX ON charges (charged_at);

CREATE TABLE payments (user_id bigint, kind text, amount numeric(12, 2) NOT NULL, currency text NOT NULL, paid_at timestamptz NOT NULL);
CREATE INDEX ON payments (paid_at);

CREATE TABLE subscriptions (
    user_id bigint,
    trial_started_at timestamptz,
    converted_at timestamptz,
    ended_at timestamptz,
    monthly_amount numeric(12, 2),
    currency text NOT NULL
);
CREATE INDEX ON subscriptions (trial_started_at);
CREATE INDEX ON subscriptions (converted_at);
CREATE INDEX ON subscriptions (ended_at);

CREATE TABLE recordings (
    id bigint PRIMARY KEY,
    created_at timestamptz NOT NULL,
    deleted_at timestamptz,
    size_bytes bigint NOT NULL,
    original_bytes bigint,
    duration_seconds integer
);
CREATE INDEX ON recordings (created_at) WHERE deleted_at IS NULL;

CREATE TABLE recording_plays (recording_id bigint, user_id bigint, played_at timestamptz NOT NULL);
CREATE INDEX ON recording_plays (played_at);

CREATE TABLE blocked_addresses (address inet PRIMARY KEY, expires_at timestamptz);

CREATE TABLE consents (user_id bigint, kind text, state text);

CREATE TABLE privacy_requests (id bigint PRIMARY KEY, kind text, requested_at timestamptz NOT NULL, completed_at timestamptz);
CREATE INDEX ON privacy_requests (completed_at);
