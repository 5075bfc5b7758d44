-- VioConcierge's tables as its specification names them, with the indexes that the pack wants. What it does not name stands below each.

CREATE TABLE tenant_config (
  tenant_id uuid PRIMARY KEY,
  alias text NOT NULL UNIQUE,
  business_type text,
  retell_agent_id text,
  cal_api_key text,
  calendly_api_key text,
  average_appointment_value numeric(12, 2),
  follow_up_hours integer[],
  timezone text,
  currency text NOT NULL DEFAULT 'GBP',
  baseline_no_show_rate numeric,
  staff_hourly_rate numeric,
  daily_calls_goal integer
);

CREATE TABLE contacts (
  id bigint PRIMARY KEY,
  tenant_id uuid NOT NULL,
  name text,
  phone text,
  email text,
  owner_name text,
  special_instructions text,
  appointment_time timestamptz,
  appointment_status text,
  appointment_type text,
  appointment_duration integer,
  no_show_risk real,
  booking_source text,
  created_at timestamptz NOT NULL,
  updated_at timestamptz
);
CREATE INDEX ON contacts (created_at);
CREATE INDEX ON contacts (appointment_time);
CREATE INDEX ON contacts (tenant_id);

CREATE TABLE call_sessions (
  id bigint PRIMARY KEY,
  session_id text NOT NULL UNIQUE,
  contact_id bigint,
  tenant_id uuid NOT NULL,
  contact_name text,
  contact_phone text,
  status text,
  call_outcome text,
  appointment_action text,
  call_duration integer,
  customer_sentiment text,
  method text,
  trigger_time timestamptz NOT NULL,
  retell_call_id text
);
CREATE INDEX ON call_sessions (trigger_time);
CREATE INDEX ON call_sessions (contact_id);

CREATE TABLE follow_up_tasks (
  id bigint PRIMARY KEY,
  tenant_id uuid NOT NULL,
  contact_id bigint,
  session_id text,
  scheduled_time timestamptz NOT NULL,
  status text,
  auto_execution boolean,
  retry_count integer,
  call_before_hours numeric,
  completed_at timestamptz,
  created_at timestamptz
);
CREATE INDEX ON follow_up_tasks (scheduled_time);
CREATE INDEX ON follow_up_tasks (completed_at);
CREATE INDEX ON follow_up_tasks (tenant_id, scheduled_time) WHERE status = 'pending';

CREATE TABLE consents (
  contact_id bigint NOT NULL,
  kind text NOT NULL,
  state text,
  recorded_at timestamptz,
  PRIMARY KEY (contact_id, kind)
);
