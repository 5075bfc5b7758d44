-- The plain schema that the pack revenue has its default names from.
CREATE TABLE organisations (id text PRIMARY KEY, slug text NOT NULL UNIQUE, time_zone text);
CREATE TABLE calls (
  id bigint PRIMARY KEY, organisation_id text, started_at timestamptz NOT NULL, outcome text, duration_seconds integer, handler text,
  assistant text, region text, result text);
CREATE INDEX ON calls (started_at);
CREATE TABLE leads (
  id bigint PRIMARY KEY, organisation_id text, created_at timestamptz NOT NULL, stage text, source text, score numeric(5, 1), activities integer,
  converted_at timestamptz);
CREATE INDEX ON leads (created_at);
CREATE INDEX ON leads (converted_at);
CREATE TABLE deals (
  id bigint PRIMARY KEY, organisation_id text, opened_at timestamptz NOT NULL, closed_at timestamptz, stage text, amount numeric(14, 2),
  currency text, team text);
CREATE INDEX ON deals (closed_at);
CREATE TABLE customers (id bigint PRIMARY KEY, organisation_id text, created_at timestamptz NOT NULL);
CREATE INDEX ON customers (created_at);
CREATE TABLE payments (
  id bigint PRIMARY KEY, organisation_id text, paid_at timestamptz NOT NULL, customer_id bigint, kind text, amount numeric(14, 2), currency text,
  region text, product_line text);
CREATE INDEX ON payments (paid_at);
CREATE INDEX ON payments (customer_id, paid_at);
CREATE TABLE subscriptions (
  id bigint PRIMARY KEY, organisation_id text, started_at timestamptz NOT NULL, ended_at timestamptz, monthly_amount numeric(14, 2), currency text);
CREATE TABLE forecasts (
  id bigint PRIMARY KEY, organisation_id text, computed_at timestamptz NOT NULL, horizon text, amount numeric(14, 2), currency text);
CREATE TABLE costs (
  id bigint PRIMARY KEY, organisation_id text, spent_at timestamptz NOT NULL, category text, amount numeric(14, 2), currency text);
CREATE INDEX ON costs (spent_at);
CREATE TABLE attributions (
  id bigint PRIMARY KEY, organisation_id text, attributed_at timestamptz NOT NULL, model text, source text, amount numeric(14, 2), currency text);
CREATE INDEX ON attributions (attributed_at);
CREATE TABLE campaigns (
  id bigint PRIMARY KEY, organisation_id text, created_at timestamptz NOT NULL, name text, status text, spend numeric(14, 2),
  revenue numeric(14, 2), currency text, leads integer, customers integer);
CREATE TABLE campaign_results (
  campaign_id bigint NOT NULL, variant text, total_recipients integer, delivered integer, read integer, replied integer, failed integer,
  converted integer);
CREATE INDEX ON campaign_results (campaign_id);
CREATE TABLE goals (organisation_id text, goal text, target numeric(14, 2));
