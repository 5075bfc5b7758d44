//! Torture messages of this project's own, after the faults that RFC 4475 and RFC 5118 describe.

use sidetone::wire::sip::Malformed;

/// What the scanner makes of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Read, and nothing said against it.
    Clean,
    /// Counted as its method or code, and as malformed.
    Odd(Malformed),
    /// Counted as malformed only.
    Refused(Malformed),
}

pub struct Torture {
    /// Section of RFC 4475 (`5118/` before those of RFC 5118) that describes such a fault.
    pub section: &'static str,
    pub bytes: &'static [u8],
    /// Method or status code.
    pub start: &'static str,
    pub cseq_method: &'static str,
    pub call_id: &'static [u8],
    pub from_tag: &'static [u8],
    pub branch: &'static [u8],
    pub verdict: Verdict,
    pub why: &'static str,
}

use Malformed::{CSeq, CSeqMethod, ContentLength, FromTo, StartLine, Version};
use Verdict::{Clean, Odd, Refused};

pub const MESSAGES: &[Torture] = &[
    Torture {
        section: "3.1.1.1",
        bytes: b"INVITE sip:kay@phone.example;x SIP/2.0\r\nTO :\r\n sip:kay@phone.example ; tag\t =\r\n k1\r\n\
            fRoM   : \"Kay \\\\\\\"\"  <sip:kay2@phone.example>\r\n  ;\r\n  tag = k2\r\nCall-ID\t:\r\n\tfolds.1@phone.example\r\n\
            cseq: 0012\r\n  INVITE\r\nVia  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.77; branch = z9hG4bKfolds\r\n\r\n",
        start: "INVITE",
        cseq_method: "INVITE",
        call_id: b"folds.1@phone.example",
        from_tag: b"k2",
        branch: b"z9hG4bKfolds",
        verdict: Clean,
        why: "a fold is white space, wherever white space may stand",
    },
    Torture {
        section: "3.1.1.2",
        bytes: b"!strange-Method0123456789_*+`.%indeed'~ sip:1_any.~!*()&=+$,;?/%40:&it%2eis@phone.example SIP/2.0\r\n\
            Via: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bK-.!%66*_+`'~\r\nTo: \"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f\" <sip:q@phone.example>\r\n\
            From: token1~` token2'+_ <sip:a@phone.example>;fromParam''~+*_!.-%=\"x\";tag=_t%u'e~*+-\r\n\
            Call-ID: odd%Bytes*()<>:/\"][?{}@here\r\nCSeq: 139122385 !strange-Method0123456789_*+`.%indeed'~\r\n\
            extensionHeader-!.%*+_`'~: \xef\xbb\xbf\xe5\xa4\xa7\r\nContent-Length: 0\r\n\r\n",
        start: "other",
        cseq_method: "other",
        call_id: b"odd%Bytes*()<>:/\"][?{}@here",
        from_tag: b"_t%u'e~*+-",
        branch: b"z9hG4bK-.!%66*_+`'~",
        verdict: Clean,
        why: "a method is any token; what no RFC names becomes one label value",
    },
    Torture {
        section: "3.1.1.4",
        bytes: b"REGISTER sip:phone.example SIP/2.0\r\nTo: sip:nul%00l@phone.example\r\nFrom: sip:nul%00l@phone.example;tag=n0\r\n\
            Call-ID: nul-in-user\r\nCSeq: 7 REGISTER\r\nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKnul\r\n\
            Contact: <sip:%00@192.0.2.77>\r\nContact: <sip:%00%00@192.0.2.77>\r\nL:0\r\n\r\n",
        start: "REGISTER",
        cseq_method: "REGISTER",
        call_id: b"nul-in-user",
        from_tag: b"n0",
        branch: b"z9hG4bKnul",
        verdict: Clean,
        why: "escapes are not decoded, so an escaped zero ends nothing",
    },
    Torture {
        section: "3.1.1.5",
        bytes: b"RE%47IST%45R sip:phone.example SIP/2.0\r\nTo: \"%Z%45\" <sip:r@phone.example>\r\n\
            From: \"%Z%45\" <sip:r@phone.example>;tag=f232jadfj23\r\nCall-ID: escaped-method\r\nCSeq: 29344 RE%47IST%45R\r\n\
            Via: SIP/2.0/TCP 192.0.2.77;branch=z9hG4bKesc\r\nContent-Length: 0\r\n\r\n",
        start: "other",
        cseq_method: "other",
        call_id: b"escaped-method",
        from_tag: b"f232jadfj23",
        branch: b"z9hG4bKesc",
        verdict: Clean,
        why: "an escaped method is not the method that it would be without escapes",
    },
    Torture {
        section: "3.1.1.8",
        bytes: b"REGISTER sip:phone.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKdbl\r\nFrom: sip:j@phone.example;tag=43251j3j324\r\n\
            To: sip:j@phone.example\r\nCall-ID: two-in-one\r\nCSeq: 8 REGISTER\r\nContent-Length: 0\r\n\r\n\
            INVITE sip:second@phone.example SIP/2.0\r\nCall-ID: the-second\r\n\r\n",
        start: "REGISTER",
        cseq_method: "REGISTER",
        call_id: b"two-in-one",
        from_tag: b"43251j3j324",
        branch: b"z9hG4bKdbl",
        verdict: Clean,
        why: "in a datagram what follows the body is to be discarded (RFC 3261 section 18.3)",
    },
    Torture {
        section: "3.1.1.12",
        bytes: b"SIP/2.0 200 = 2**3 * 5**2 \xd0\xbd\xd0\xbe\xff\xfe\r\nVia: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bKreason\r\n\
            Call-ID: unusual-reason\r\nCSeq: 35 INVITE\r\nFrom: sip:user@phone.example;tag=11141343\r\n\
            To: sip:user@phone.example;tag=2229\r\nContent-Length: 0\r\n\r\n",
        start: "200",
        cseq_method: "INVITE",
        call_id: b"unusual-reason",
        from_tag: b"11141343",
        branch: b"z9hG4bKreason",
        verdict: Clean,
        why: "the reason phrase is for people, and no one reads it here",
    },
    Torture {
        section: "3.1.2.2",
        bytes: b"INVITE sip:user@phone.example SIP/2.0\r\nTo: sip:j@phone.example\r\nFrom: sip:c@phone.example;tag=93942939o2\r\n\
            Call-ID: promised-more\r\nCSeq: 8 INVITE\r\nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKmore\r\n\
            Content-Type: application/sdp\r\nContent-Length: 9999\r\n\r\nv=0\r\n",
        start: "INVITE",
        cseq_method: "INVITE",
        call_id: b"promised-more",
        from_tag: b"93942939o2",
        branch: b"z9hG4bKmore",
        verdict: Odd(ContentLength),
        why: "the rest never came; what came is of use",
    },
    Torture {
        section: "3.1.2.4",
        bytes: b"REGISTER sip:phone.example SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.77;branch=z9hG4bKscalar\r\nFrom: <sip:u@phone.example>;tag=239232jh3\r\n\
            To: <sip:u@phone.example>\r\nCall-ID: scalar-too-large\r\nCSeq: 36893488147419103232 REGISTER\r\nMax-Forwards: 300\r\n\
            Expires: 10000000000000000000000000\r\nContact: <sip:u@192.0.2.77>;expires=280297596632815\r\nContent-Length: 0\r\n\r\n",
        start: "REGISTER",
        cseq_method: "",
        call_id: b"scalar-too-large",
        from_tag: b"239232jh3",
        branch: b"z9hG4bKscalar",
        verdict: Odd(CSeq),
        why: "a CSeq above 2**31 cannot be ordered against others; an Expires that is none is as good as none",
    },
    Torture {
        section: "3.1.2.6",
        bytes: b"INVITE sip:user@phone.example SIP/2.0\r\nTo: \"Mr. J. User <sip:j@phone.example>\r\nFrom: sip:c@phone.example;tag=93334\r\n\
            Call-ID: open-quote\r\nContact: \"Joe\" <sip:joe@phone.example>;;;;\r\nCSeq: 8 INVITE\r\n\
            Via: SIP/2.0/UDP 192.0.2.59:5050;branch=z9hG4bKquote\r\nContent-Length: 0\r\n\r\n",
        start: "INVITE",
        cseq_method: "INVITE",
        call_id: b"open-quote",
        from_tag: b"93334",
        branch: b"z9hG4bKquote",
        verdict: Clean,
        why: "an open quote spoils its own header, not the message",
    },
    Torture {
        section: "3.1.2.8",
        bytes: b"INVITE sip:user@phone.example; lr SIP/2.0\r\nTo: sip:u@phone.example;tag=3xfe-9921883-z9f\r\nFrom: sip:c@phone.example;tag=231413434\r\n\
            Call-ID: space-in-uri\r\nCSeq: 2130706432 INVITE\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKlws\r\n\r\n",
        start: "INVITE",
        cseq_method: "INVITE",
        call_id: b"space-in-uri",
        from_tag: b"231413434",
        branch: b"z9hG4bKlws",
        verdict: Refused(StartLine),
        why: "where the Request-URI ends is a guess, and so is everything that a guess would count",
    },
    Torture {
        section: "3.1.2.10",
        bytes: b"OPTIONS sip:remote@phone.example SIP/2.0  \r\nVia: SIP/2.0/TCP 192.0.2.77;branch=z9hG4bKtrail\r\nFrom: <sip:l@phone.example>;tag=329429089\r\n\
            To: sip:remote@phone.example\r\nCall-ID: trailing-space\r\nCSeq: 238923 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        start: "OPTIONS",
        cseq_method: "OPTIONS",
        call_id: b"trailing-space",
        from_tag: b"329429089",
        branch: b"z9hG4bKtrail",
        verdict: Clean,
        why: "nothing is lost by reading it",
    },
    Torture {
        section: "3.1.2.16",
        bytes: b"OPTIONS sip:t.watson@phone.example SIP/7.0\r\nVia: SIP/7.0/UDP 192.0.2.77;branch=z9hG4bKvers\r\nFrom: <sip:b@phone.example>;tag=qweoiqpe\r\n\
            To: <sip:t@phone.example>\r\nCall-ID: version-seven\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        start: "OPTIONS",
        cseq_method: "OPTIONS",
        call_id: b"version-seven",
        from_tag: b"qweoiqpe",
        branch: b"z9hG4bKvers",
        verdict: Refused(Version),
        why: "whatever SIP/7.0 may be, it is not what this program reads",
    },
    Torture {
        section: "3.1.2.18",
        bytes: b"NEWMETHOD sip:user@phone.example SIP/2.0\r\nTo: sip:j@phone.example\r\nFrom: sip:c@phone.example;tag=34525\r\n\
            Call-ID: mismatch-unknown\r\nCSeq: 8 INVITE\r\nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKmis\r\nl: 0\r\n\r\n",
        start: "other",
        cseq_method: "INVITE",
        call_id: b"mismatch-unknown",
        from_tag: b"34525",
        branch: b"z9hG4bKmis",
        verdict: Odd(CSeqMethod),
        why: "the request line says what it is; nothing is done to the call that its CSeq would name",
    },
    Torture {
        section: "3.3.1",
        bytes: b"INVITE sip:user@phone.example SIP/2.0\r\nCall-ID: nobody-to-nobody\r\nCSeq: 193942 INVITE\r\n\
            Via: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKinsuf\r\nContent-Length: 0\r\n\r\n",
        start: "INVITE",
        cseq_method: "INVITE",
        call_id: b"nobody-to-nobody",
        from_tag: b"",
        branch: b"z9hG4bKinsuf",
        verdict: Odd(FromTo),
        why: "without From and To there is no dialog to count",
    },
    Torture {
        section: "3.3.8",
        bytes: b"INVITE sip:user@phone.example SIP/2.0\r\nCSeq: 5 INVITE\r\nVia: SIP/2.0/UDP 192.0.2.25;branch=z9hG4bKfirst\r\nMax-Forwards: 70\r\n\
            CSeq: 59 INVITE\r\nCall-ID: many-values.first\r\nCall-ID: many-values.second\r\nFrom: sip:c@phone.example;tag=3413415\r\n\
            From: sip:d@phone.example;tag=4\r\nTo: sip:u@phone.example\r\nTo: sip:v@phone.example\r\n\
            Via: SIP/2.0/UDP 192.0.2.26;branch=z9hG4bKsecond\r\nContent-Length: 2\r\nContent-Length: 0\r\n\r\nhi there",
        start: "INVITE",
        cseq_method: "INVITE",
        call_id: b"many-values.first",
        from_tag: b"3413415",
        branch: b"z9hG4bKfirst",
        verdict: Clean,
        why: "of values that may stand only once the first is taken, as most servers do",
    },
    Torture {
        section: "5118/4.2",
        bytes: b"REGISTER sip:2001:db8::10 SIP/2.0\r\nTo: sip:user@example.com\r\nFrom: sip:user@example.com;tag=81x2\r\n\
            Via: SIP/2.0/UDP [2001:db8::9:1]:5070;received=2001:db8::9:255;branch=z9hG4bKas3-111\r\nCall-ID: v6-without-brackets\r\n\
            Contact: \"Caller\" <sip:caller@2001:db8::1>\r\nCSeq: 98176 REGISTER\r\nContent-Length: 0\r\n\r\n",
        start: "REGISTER",
        cseq_method: "REGISTER",
        call_id: b"v6-without-brackets",
        from_tag: b"81x2",
        branch: b"z9hG4bKas3-111",
        verdict: Clean,
        why: "addresses in headers are not used: those of the packet are",
    },
    Torture {
        section: "5118/4.8",
        bytes: b"INVITE sip:user@[2001:db8::20] SIP/2.0\r\nTo: sip:user@[2001:db8::20]\r\nFrom: sip:user@example.com;tag=81x2\r\n\
            Via: SIP/2.0/UDP [2001:db8::20];branch=z9hG4bKas3-111\r\nCall-ID: v4-and-v6-media\r\nCSeq: 8612 INVITE\r\n\
            Content-Type: application/sdp\r\nContent-Length: 156\r\n\r\nv=0\r\no=a 971731711378798081 0 IN IP6 2001:db8::20\r\ns=-\r\n\
            t=0 0\r\nc=IN IP6 2001:db8::20\r\nm=audio 6000 RTP/AVP 0\r\nm=video 6024 RTP/AVP 107\r\nc=IN IP4 192.0.2.1\r\n",
        start: "INVITE",
        cseq_method: "INVITE",
        call_id: b"v4-and-v6-media",
        from_tag: b"81x2",
        branch: b"z9hG4bKas3-111",
        verdict: Clean,
        why: "one description may hold addresses of both kinds",
    },
];
