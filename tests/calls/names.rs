//! Who calls whom, out of whatever a From and a To may be (RFC 3261 sections 19.1, 20.10, 25.1; RFC 3966; RFC 4475).

use crate::packets::address;
use crate::scene::{Scene, ms};

/// What the JSON calls a party whose From value, tag left out, is this.
#[track_caller]
fn named(value: &str, want: &str) {
    let mut scene = Scene::new();
    let invite = format!(
        "INVITE sip:bob@b.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1\r\nFrom: {value};tag=a\r\n\
         To: {value}\r\nCall-ID: call-1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    );
    scene.put(ms(0.0), address("192.0.2.10:5060"), address("198.51.100.20:5060"), invite.as_bytes());
    let seen = scene.run();
    let call = seen.call("call-1");
    assert_eq!((call["caller"].as_str(), call["callee"].as_str()), (Some(want), Some(want)), "{value}");
}

#[test]
fn the_user_part_is_the_name() {
    for (value, want) in [
        ("<sip:alice@a.example>", "alice"),
        ("sip:alice@a.example", "alice"),
        ("<sips:alice:secret@a.example:5061;transport=tcp>", "alice"),
        ("Alice <SIP:alice@a.example>", "alice"),
        ("\"Alice, <sip:eve@e.example>\" <sip:alice@a.example>", "alice"),
        ("<sip:a.example>", "a.example"),
        ("<sip:[2001:db8::1]:5060>", "[2001:db8::1]"),
        ("<sip:alice@[2001:db8::1]:5060>", "alice"),
        ("<sip:a.example;lr>", "a.example"),
        ("<sip:%61lice@a.example>", "%61lice"),
        ("<sip:alice;day=tuesday@a.example>", "alice;day=tuesday"),
        ("<sip:+1-212-555-1212:1234@gateway.com;user=phone>", "+1-212-555-1212"),
    ] {
        named(value, want);
    }
}

#[test]
fn quotes_within_a_display_name_end_nothing() {
    // RFC 4475 section 3.1.1.1, and what it could be.
    named(r#""J Rosenberg \\\"" <sip:jdrosen@example.com>"#, "jdrosen");
    named(r#""say \"<sip:eve@e.example>\"; now" <sip:alice@a.example>"#, "alice");
    named(r#""\\" <sip:alice@a.example>"#, "alice");
}

#[test]
fn a_number_comes_without_its_parameters() {
    for (value, want) in [
        ("<sip:+4420;phone-context=example.com@host;user=phone>", "+4420"),
        ("<sip:7042;phone-context=+44@gw.example>", "7042"),
        ("<sip:+442079460123;npdi;rn=+4420@gw.example;user=phone>", "+442079460123"),
        ("<sip:+12125551212;isub=1411;postd=pp22@foo.example;user=phone>", "+12125551212"),
        ("<sip:%2B4420;ext=17@gw.example>", "%2B4420"),
        ("<sip:*72;phone-context=pbx.example@gw.example>", "*72"),
        ("<tel:1234;phone-context=+44>", "1234"),
        ("tel:1234", "1234"),
        ("<tel:+1-201-555-0123;isub=12>", "+1-201-555-0123"),
        ("<TEL:863-1234;phone-context=+1-914-555>", "863-1234"),
    ] {
        named(value, want);
    }
}
