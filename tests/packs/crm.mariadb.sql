-- The same for MariaDB. Times are UTC.
CREATE TABLE crm_contacts (
  chat_id varchar(64) PRIMARY KEY, whatsapp_number varchar(32) NOT NULL, email varchar(200), name varchar(200), country_code varchar(8),
  created_at datetime NOT NULL, updated_at datetime NOT NULL, custom_fields json, KEY (created_at)) COLLATE utf8mb4_bin;
CREATE TABLE crm_campaign_metrics (
  campaign_id varchar(64), campaign_name varchar(200), status varchar(40), scheduled_at datetime, total_recipients int unsigned,
  delivered int unsigned, `read` int unsigned, replied int unsigned, failed int unsigned, snapshot_at datetime,
  PRIMARY KEY (campaign_id, snapshot_at), KEY (snapshot_at)) COLLATE utf8mb4_bin;
CREATE TABLE crm_messages (
  message_id varchar(64) PRIMARY KEY, chat_id varchar(64) NOT NULL, type varchar(40), direction varchar(40), status varchar(40),
  content_length int unsigned, timestamp datetime NOT NULL, KEY (timestamp), KEY (chat_id, timestamp)) COLLATE utf8mb4_bin;
CREATE TABLE crm_chats (chat_id varchar(64) PRIMARY KEY, status varchar(40), operator_alias varchar(64), deleted_at datetime) COLLATE utf8mb4_bin;
CREATE TABLE crm_campaign_details (
  campaign_id varchar(64) PRIMARY KEY, template varchar(100), test varchar(100), variant varchar(40), spend decimal(14, 2),
  revenue decimal(14, 2), currency varchar(8)) COLLATE utf8mb4_bin;
CREATE TABLE crm_sync_runs (dataset varchar(40) NOT NULL, finished_at datetime NOT NULL, KEY (dataset, finished_at)) COLLATE utf8mb4_bin;
