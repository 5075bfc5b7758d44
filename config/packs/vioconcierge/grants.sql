-- What the pack vioconcierge reads, and nothing else. docs/databases.md has the role `sidetone`. Run it as the owner of the tables, in their schema.
--
-- Names, numbers, addresses, notes and keys are looked at by four views, which tell only whether there is one, or how often: the account itself
-- can read none of them.
CREATE OR REPLACE VIEW sidetone_fields AS
SELECT tenant_id, btrim(name) <> '' AS has_name, btrim(phone) <> '' AS has_phone, btrim(email) <> '' AS has_email,
  btrim(owner_name) <> '' AS has_owner, btrim(special_instructions) <> '' AS has_instructions,
  appointment_time IS NOT NULL AS has_time, btrim(appointment_type) <> '' AS has_type
FROM contacts;

-- How many contacts hold one number, written with spaces or without.
CREATE OR REPLACE VIEW sidetone_numbers AS
SELECT tenant_id, count(*) AS held FROM contacts
WHERE translate(phone, ' ()-./', '') <> '' GROUP BY tenant_id, translate(phone, ' ()-./', '');

CREATE OR REPLACE VIEW sidetone_features AS
SELECT tenant_id, retell_agent_id <> '' AS retell, cal_api_key <> '' AS calcom, calendly_api_key <> '' AS calendly,
  average_appointment_value > 0 AS appointment_value, follow_up_hours::text NOT IN ('', '{}', '[]') AS follow_up, timezone <> '' AS time_zone
FROM tenant_config;

-- The specification names no table of consents. Where you have one, let this view say what it says; without one nobody was asked.
CREATE OR REPLACE VIEW sidetone_consents AS
SELECT NULL::text AS contact_id, NULL::text AS kind, NULL::text AS state WHERE false;

GRANT SELECT ON sidetone_fields, sidetone_numbers, sidetone_features, sidetone_consents TO sidetone;
GRANT SELECT (tenant_id, business_type, timezone, average_appointment_value) ON tenant_config TO sidetone;
GRANT SELECT (
  session_id, contact_id, tenant_id, status, call_outcome, appointment_action, call_duration, customer_sentiment, method, trigger_time
) ON call_sessions TO sidetone;
GRANT SELECT (
  id, tenant_id, appointment_time, appointment_status, appointment_type, appointment_duration, booking_source, created_at
) ON contacts TO sidetone;
GRANT SELECT (tenant_id, session_id, scheduled_time, status, retry_count, call_before_hours, completed_at) ON follow_up_tasks TO sidetone;
