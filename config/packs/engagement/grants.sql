-- What the pack engagement reads, and nothing else: traits of users stay where they are. docs/databases.md has the role `sidetone`.
GRANT SELECT (first_seen) ON users TO sidetone;
GRANT SELECT (name, channel, occurred_at, user_id, session_id, properties) ON events TO sidetone;
GRANT SELECT (channel, status, agent_alias) ON conversations TO sidetone;
GRANT SELECT (presence) ON agents TO sidetone;
