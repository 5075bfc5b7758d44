//! Redis 6 and later, and what speaks like it: INFO, whose lines are names and values.

use super::facts::{Fact, Label, Part, Row};
use super::families::*;

pub static PARTS: [Part; 2] = [
    Part::new(
        "INFO",
        "INFO all",
        &[
            Fact::new("total_commands_processed", QUERIES),
            Fact::new("usec", QUERY_SECONDS).times(1e-6),
            Fact::new("keyspace_hits", CACHE_HITS),
            Fact::new("keyspace_misses", CACHE_MISSES),
            Fact::new("rejected_connections", REFUSED),
            Fact::connections("blocked_clients", &[Label::Is("server"), Label::Is("idle")]),
            Fact::connections("other", &[Label::Is("server"), Label::Is("other")]),
            Fact::connections_max("maxclients"),
            Fact::new("lag", REPLICATION_LAG).with(&[Label::Of("replica")]),
            Fact::new("running", REPLICATION_RUNNING).with(&[Label::Of("replica")]),
        ],
    )
    .granted_by("ACL SETUSER {user} +info")
    .shaped(info),
    Part::new("CONFIG GET maxclients", "CONFIG GET maxclients", &[Fact::connections_max("maxclients")])
        .granted_by("ACL SETUSER {user} +config|get")
        .asked(|about| about.version < 70_000),
];

/// The lines "name:value" of INFO, as a row.
pub fn lines(text: &str) -> Row {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    Row(pairs.map(|(name, value)| (name.to_owned(), Some(value.to_owned()))).collect())
}

/// The server in a row, and each replica in one of its own.
fn info(rows: Vec<Row>) -> Vec<Row> {
    let mut all = Vec::new();
    for mut row in rows {
        let usec: f64 = row.0.iter().filter(|(name, _)| name.starts_with("cmdstat_")).filter_map(usec).sum();
        if usec > 0.0 {
            row.set("usec", usec);
        }
        // Clients that wait for data are idle; what the others do it does not say.
        if let (Some(clients), Some(blocked)) = (row.number("connected_clients"), row.number("blocked_clients")) {
            row.set("other", clients - blocked);
        }
        all.extend(row.0.iter().filter_map(replica));
        if let Some(link) = row.text("master_link_status").map(str::to_owned) {
            let since = if link == "up" { "master_last_io_seconds_ago" } else { "master_link_down_since_seconds" };
            let lag = row.number(since).filter(|lag| *lag >= 0.0);
            row.set("replica", "self");
            row.set("running", link);
            row.0.extend(lag.map(|lag| ("lag".to_owned(), Some(lag.to_string()))));
        }
        all.push(row);
    }
    all
}

/// The fields of a line such as "cmdstat_get:calls=1,usec=2".
fn field<'a>(value: &'a Option<String>, name: &str) -> Option<&'a str> {
    let fields = value.as_deref()?.split(',');
    fields.filter_map(|field| field.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn usec((_, value): &(String, Option<String>)) -> Option<f64> {
    field(value, "usec")?.parse().ok()
}

/// A line such as "slave0:ip=10.0.0.2,port=6379,state=online,offset=4711,lag=1".
fn replica((name, value): &(String, Option<String>)) -> Option<Row> {
    name.strip_prefix("slave")?.parse::<u16>().ok()?;
    let mut row = Row::default();
    row.set("replica", format!("{}:{}", field(value, "ip")?, field(value, "port")?));
    row.set("running", u8::from(field(value, "state") == Some("online")));
    row.set("lag", field(value, "lag")?);
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_as_rows() {
        let text = "# Clients\r\nconnected_clients:7\r\nblocked_clients:2\r\nrole:master\r\n\
            slave0:ip=10.0.0.2,port=6379,state=online,offset=1,lag=3\r\nslave_read_only:1\r\n\
            cmdstat_get:calls=1,usec=20,usec_per_call=20.00\r\ncmdstat_set:calls=1,usec=5\r\n";
        let rows = info(vec![lines(text)]);
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].text("replica"), rows[0].number("lag")), (Some("10.0.0.2:6379"), Some(3.0)));
        assert_eq!((rows[1].number("usec"), rows[1].number("other")), (Some(25.0), Some(5.0)));
        assert_eq!(rows[1].text("replica"), None);
    }

    #[test]
    fn a_replica_whose_link_is_down() {
        let text =
            "role:slave\nmaster_link_status:down\nmaster_last_io_seconds_ago:-1\nmaster_link_down_since_seconds:42\n";
        let rows = info(vec![lines(text)]);
        assert_eq!((rows[0].number("running"), rows[0].number("lag")), (Some(0.0), Some(42.0)));
    }
}
