-- The schema that the pack engagement speaks of. Only what the pack reads.

CREATE TABLE users (id bigint PRIMARY KEY, first_seen timestamptz NOT NULL, last_seen timestamptz);
CREATE INDEX ON users (first_seen);

CREATE TABLE events (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    channel text,
    occurred_at timestamptz NOT NULL,
    user_id bigint,
    session_id text,
    properties jsonb NOT NULL
);
CREATE INDEX ON events (occurred_at);
CREATE INDEX ON events (name, occurred_at);

CREATE TABLE conversations (id bigint PRIMARY KEY, channel text, status text NOT NULL, agent_alias text);
CREATE INDEX ON conversations (status);

CREATE TABLE agents (id bigint PRIMARY KEY, presence text);
