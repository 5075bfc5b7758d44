//! Datagrams that the kernel threw away, as our sockets were full: it counts them for each socket (Linux, proc_net_udp(5)).

use std::fs;
use std::os::fd::{AsFd, AsRawFd};

const TABLES: [&str; 2] = ["/proc/self/net/udp", "/proc/self/net/udp6"];
/// The columns of a row: the socket's inode; the last one is `drops`.
const INODE: usize = 9;

/// The number by which the kernel's tables know a socket.
pub fn inode(socket: &impl AsFd) -> Option<u64> {
    let link = fs::read_link(format!("/proc/self/fd/{}", socket.as_fd().as_raw_fd())).ok()?;
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// What was dropped of these sockets since they were opened.
pub fn drops(inodes: &[u64]) -> u64 {
    if inodes.is_empty() {
        return 0;
    }
    // Without IPv6 there is only one of the tables.
    TABLES.iter().filter_map(|table| fs::read_to_string(table).ok()).map(|table| parse(&table, inodes)).sum()
}

fn parse(table: &str, inodes: &[u64]) -> u64 {
    let dropped = |row: &str| {
        let inode = row.split_ascii_whitespace().nth(INODE)?.parse().ok()?;
        row.split_ascii_whitespace().next_back()?.parse::<u64>().ok().filter(|_| inodes.contains(&inode))
    };
    table.lines().skip(1).filter_map(dropped).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_of_our_sockets_alone() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            17: 0100007F:2378 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 42\n\
            18: 0100007F:2379 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4712 2 0000000000000000 7\n\
            19: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 9 2 0000000000000000 100\n";
        assert_eq!(parse(table, &[4711, 4712, 5]), 49);
        assert_eq!(parse(table, &[]), 0);
        assert_eq!(parse("", &[4711]), 0);
    }

    #[test]
    fn our_own_socket_is_in_the_table() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let inode = inode(&socket).expect("an inode");
        let table = fs::read_to_string(TABLES[0]).expect("a table");
        assert!(table.contains(&format!(" {inode} ")), "{inode} in\n{table}");
        assert_eq!(drops(&[inode]), 0);
    }
}
