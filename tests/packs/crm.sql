-- The seed's three tables and the three that the pack adds, for PostgreSQL.
CREATE TABLE crm_contacts (
  chat_id text PRIMARY KEY, whatsapp_number text NOT NULL, email text, name text, country_code text, created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL, custom_fields jsonb);
CREATE INDEX ON crm_contacts (created_at);
CREATE TABLE crm_campaign_metrics (
  campaign_id text, campaign_name text, status text, scheduled_at timestamptz, total_recipients bigint, delivered bigint, read bigint,
  replied bigint, failed bigint, snapshot_at timestamptz, PRIMARY KEY (campaign_id, snapshot_at));
CREATE INDEX ON crm_campaign_metrics (snapshot_at);
CREATE TABLE crm_messages (
  message_id text PRIMARY KEY, chat_id text NOT NULL, type text, direction text, status text, content_length bigint, timestamp timestamptz NOT NULL);
CREATE INDEX ON crm_messages (timestamp);
CREATE INDEX ON crm_messages (chat_id, timestamp);
CREATE TABLE crm_chats (chat_id text PRIMARY KEY, status text, operator_alias text, deleted_at timestamptz);
CREATE TABLE crm_campaign_details (
  campaign_id text PRIMARY KEY, template text, test text, variant text, spend numeric(14, 2), revenue numeric(14, 2), currency text);
CREATE TABLE crm_sync_runs (dataset text NOT NULL, finished_at timestamptz NOT NULL);
CREATE INDEX ON crm_sync_runs (dataset, finished_at);
