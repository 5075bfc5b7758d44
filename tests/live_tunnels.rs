//! Tagged and tunnelled frames on a real interface: what the kernel's filter lets through and the agent reads is what was sent.
//! In a network namespace of its own, so that nothing else is on the wire.

#[path = "live/common.rs"]
mod common;
#[path = "live/namespace.rs"]
mod namespace;
#[path = "hostile/packets.rs"]
#[allow(dead_code)] // uses a part of it
mod packets;
#[path = "hostile/wraps.rs"]
mod wraps;

use std::net::{SocketAddr, UdpSocket};

use common::{Agent, Samples};
use namespace::{Namespace, in_namespace, ip, try_ip};
use packets::{Call, From, ethernet, links, message};
use sidetone::wire::LinkType;
use wraps::{KINDS, wrap};

/// Ethernet frames, each with an OPTIONS of its own in it: plain, tagged, and in every tunnel.
fn frames() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let options = |at: usize| {
        let call = if at.is_multiple_of(2) { Call::v4(&format!("at-{at}")) } else { Call::v6(&format!("at-{at}")) };
        call.signal(From::Caller, &message("OPTIONS sip:bob@b.example SIP/2.0", &call, "1 OPTIONS", "", ""))
    };
    for at in 0..2 {
        let tagged = links(&options(at)).into_iter().filter(|(_, link, _)| *link == LinkType::ETHERNET);
        for layer in 0..tagged.count() {
            frames.push(links(&options(1000 + frames.len() * 2 + at)).swap_remove(layer).2);
        }
    }
    for kind in 0..KINDS {
        for choice in 0..5 {
            frames.push(ethernet(&wrap(kind, choice, &options(frames.len()))));
        }
    }
    frames
}

fn configuration(address: SocketAddr, interface: &str, rest: &str) -> String {
    format!(
        "[web]\nlisten_address = \"{address}\"\n[capture]\ninterfaces = [\"{interface}\"]\nmedia_ports = [\"20000-20100\"]\n{rest}"
    )
}

#[test]
fn tunnels_pass_the_filter_and_are_read() {
    if !common::can_run(&["ip"]) {
        return;
    }
    in_namespace("tunnels_pass_the_filter_and_are_read", || {
        ip("link set lo up");
        ip("link add st0 type veth peer name st1");
        ip("link set st0 up");
        ip("link set st1 up");
        let folder = tempfile::tempdir().expect("a folder");
        let start = |interface: &str, rest: &str| {
            let address = common::free_tcp_port();
            Agent::start(folder.path(), address, &configuration(address, interface, rest))
        };
        let agents = [start("st1", ""), start("any", "")];
        let without = start("st1", "tunnels = false");
        let frames = frames();
        let sender = pcap::Capture::from_device("st0").expect("a device");
        let mut sender = sender.open().expect("to be root");
        for frame in &frames {
            sender.sendpacket(&frame[..]).expect("to send");
        }
        let all = frames.len() as f64;
        let [one, any] = agents;
        let end = one.wait_for_metrics("all messages", |now| now.sum("sip_requests_total", &[]) >= all);
        assert_eq!(end.sum("sip_requests_total", &[("method", "OPTIONS")]), all);
        // `any` sees each frame leave one end of the pair and come in at the other, but for the two with two tags: newer kernels
        // say that they are IP, and hand the second tag over in front of it.
        let again = |now: &Samples| now.sum("capture_seen_twice_packets_total", &[("interface", "any")]);
        let end = any.wait_for_metrics("all messages", |now| {
            now.sum("sip_requests_total", &[]) >= all && again(now) >= all - 2.0
        });
        assert_eq!(end.sum("sip_requests_total", &[]), all);
        assert!(again(&end) <= all);
        assert_eq!(end.sum("sip_retransmissions_total", &[]), 0.0);
        // Both IP versions plain, with one tag and with two.
        let end = without.wait_for_metrics("six messages", |now| now.sum("sip_requests_total", &[]) >= 6.0);
        assert_eq!(end.sum("sip_requests_total", &[]), 6.0);
    });
}

/// The kernel's own VXLAN: each packet is seen in the tunnel and out of it, and counts once.
#[test]
fn a_tunnel_of_the_kernel_is_seen_on_both_sides() {
    if !common::can_run(&["ip"]) {
        return;
    }
    in_namespace("a_tunnel_of_the_kernel_is_seen_on_both_sides", || {
        ip("link set lo up");
        let far = Namespace::new();
        ip("link add st0 type veth peer name st1");
        ip(&format!("link set st1 netns {}", far.name()));
        ip("address add 198.51.100.1/24 dev st0");
        ip("link set st0 up");
        far.run("ip address add 198.51.100.2/24 dev st1");
        far.run("ip link set st1 up");
        if !try_ip("link add vx type vxlan id 42 dstport 4789 local 198.51.100.1 remote 198.51.100.2") {
            return common::skip("this kernel has no VXLAN");
        }
        far.run("ip link add vx type vxlan id 42 dstport 4789 local 198.51.100.2 remote 198.51.100.1");
        ip("address add 192.0.2.1/24 dev vx");
        ip("link set vx up");
        far.run("ip address add 192.0.2.2/24 dev vx");
        far.run("ip link set vx up");
        let folder = tempfile::tempdir().expect("a folder");
        let address = common::free_tcp_port();
        let configuration =
            format!("[web]\nlisten_address = \"{address}\"\n[capture]\nmedia_ports = [\"20000-20100\"]\n");
        let agent = Agent::start(folder.path(), address, &configuration);
        let socket = UdpSocket::bind("192.0.2.1:5060").expect("the tunnel's address");
        let mut call = Call::v4("vxlan");
        call.caller = "192.0.2.1:5060".parse().expect("an address");
        let count = 20;
        for n in 0..count {
            call.id = format!("vxlan-{n}");
            let options = message("OPTIONS sip:bob@b.example SIP/2.0", &call, "1 OPTIONS", "", "");
            socket.send_to(&options, "192.0.2.2:5060").expect("to send");
        }
        let all = f64::from(count);
        let end = agent.wait_for_metrics("all messages on both sides", |now| {
            now.sum("sip_requests_total", &[]) + now.sum("capture_seen_twice_packets_total", &[]) >= 2.0 * all
        });
        assert_eq!(end.sum("sip_requests_total", &[]), all);
        assert_eq!(end.sum("capture_seen_twice_packets_total", &[]), all);
        assert_eq!(end.sum("sip_retransmissions_total", &[]), 0.0);
    });
}
