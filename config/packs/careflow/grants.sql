-- What the pack careflow reads, and nothing else: no name, number, address or text of anybody. docs/databases.md has the role `sidetone`.
GRANT SELECT (id, created_at, deleted_at, locked_until, time_zone, language) ON users TO sidetone;
GRANT SELECT (user_id, started_at, ended_at, country, city, device_type, os, browser, app_version, login_method) ON sessions TO sidetone;
GRANT SELECT (
    started_at, answered_at, duration_seconds, status, direction, caller_id, callee_id, caller_time_zone, callee_time_zone
) ON calls TO sidetone;
GRANT SELECT (user_id, feature, used_at) ON feature_uses TO sidetone;
GRANT SELECT (user_id, score, rated_at) ON ratings TO sidetone;
GRANT SELECT (category, call_class, amount, currency, incurred_at) ON costs TO sidetone;
GRANT SELECT (credit, outstanding, currency) ON billing_accounts TO sidetone;
GRANT SELECT (kind, amount, currency, charged_at) ON charges TO sidetone;
GRANT SELECT (kind, amount, currency, paid_at) ON payments TO sidetone;
GRANT SELECT (trial_started_at, converted_at, ended_at, monthly_amount, currency) ON subscriptions TO sidetone;
GRANT SELECT (created_at, deleted_at, size_bytes, original_bytes, duration_seconds) ON recordings TO sidetone;
GRANT SELECT (user_id, played_at) ON recording_plays TO sidetone;
GRANT SELECT (expires_at) ON blocked_addresses TO sidetone;
GRANT SELECT (kind, state) ON consents TO sidetone;
GRANT SELECT (kind, completed_at) ON privacy_requests TO sidetone;
