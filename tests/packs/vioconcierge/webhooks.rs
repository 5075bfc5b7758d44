//! What Retell, Cal.com, Calendly and the product send, and what it has to come to. Persons are in it, as in the real ones.

/// Who sends, the body, and the status of the answer.
pub type Delivery = (&'static str, String, u16);

const TENANT: &str = "tenant-004";

fn retell(event: &str, call: &str, rest: &str) -> Delivery {
    let body = format!(
        r#"{{"event":"{event}","call":{{"call_type":"phone_call","call_id":"{call}","agent_id":"oBeDLoLOeuAbiuaMFXRtDOLriTJ5tSxD","from_number":"+12137771234",
        "to_number":"+12137771235","direction":"outbound","metadata":{{"tenant_id":"{TENANT}"}},"retell_llm_dynamic_variables":{{"customer_name":"Jo Patient"}},
        "transcript":"Agent: Hello Jo.","opt_out_sensitive_data_storage":false{rest}}}}}"#
    );
    ("retell", body, 200)
}

fn ended(call: &str, reason: &str) -> Delivery {
    retell("call_ended", call, &format!(r#","call_status":"ended","disconnection_reason":"{reason}""#))
}

fn analyzed(call: &str, mood: &str) -> Delivery {
    let rest = format!(
        r#","disconnection_reason":"user_hangup","call_analysis":{{"call_summary":"Jo confirmed.","in_voicemail":false,"user_sentiment":"{mood}","call_successful":true}}"#
    );
    retell("call_analyzed", call, &rest)
}

fn calcom(event: &str, uid: &str, created: &str) -> Delivery {
    let body = format!(
        r#"{{"triggerEvent":"{event}","createdAt":"{created}","payload":{{"uid":"{uid}","title":"Check-up between Dr Smith and Jo","startTime":"2026-12-01T10:00:00Z",
        "organizer":{{"name":"Dr Smith","email":"smith@example.com","timeZone":"Europe/London"}},"attendees":[{{"name":"Jo Patient","email":"jo@example.com"}}],
        "metadata":{{"tenant_id":"{TENANT}"}}}}}}"#
    );
    ("calcom", body, 200)
}

fn calendly(event: &str, invitee: &str, created: &str, rest: &str) -> Delivery {
    let body = format!(
        r#"{{"event":"{event}","created_at":"{created}","created_by":"https://api.calendly.com/users/AAA","payload":{{"uri":"https://api.calendly.com/invitees/{invitee}",
        "email":"jo@example.com","name":"Jo Patient","tracking":{{"utm_source":"{TENANT}"}}{rest}}}}}"#
    );
    ("calendly", body, 200)
}

fn product(events: &str) -> Delivery {
    ("product", events.to_owned(), 200)
}

/// In their order; `created` is a time of today as RFC 3339 has it.
pub fn deliveries(created: &str) -> Vec<Delivery> {
    let mut all = vec![
        retell("call_started", "c1", r#","call_status":"ongoing""#),
        ended("c1", "user_hangup"),
        // Sent again, as after an answer that got lost.
        ended("c1", "user_hangup"),
        analyzed("c1", "Positive"),
        ended("c2", "agent_hangup"),
        analyzed("c2", "Negative"),
        ended("c3", "dial_no_answer"),
        ended("c4", "dial_busy"),
        ended("c5", "voicemail_reached"),
        ended("c6", "error_retell"),
        ended("c7", "telephony_provider_unavailable"),
        ended("c8", "a_reason_of_next_year"),
        analyzed("c8", "Bewildered"),
        calcom("BOOKING_CREATED", "b1", created),
        calcom("BOOKING_CREATED", "b1", created),
        calcom("BOOKING_RESCHEDULED", "b2", created),
        calcom("BOOKING_CANCELLED", "b2", created),
        calcom("BOOKING_NO_SHOW_UPDATED", "b3", created),
        calendly("invitee.created", "i1", created, r#","old_invitee":null,"rescheduled":false"#),
        // Moved: the old one is cancelled, the new one made.
        calendly("invitee.canceled", "i1", created, r#","rescheduled":true"#),
        calendly(
            "invitee.created",
            "i2",
            created,
            r#","old_invitee":"https://api.calendly.com/invitees/i1","rescheduled":false"#,
        ),
        calendly("invitee.canceled", "i2", created, r#","rescheduled":false"#),
        calendly("invitee_no_show.created", "i3", created, ""),
    ];
    all.push(product(
        r#"[{"name":"provider.request","id":"1","tenant":"tenant-004","properties":{"provider":"retell","result":"success","durationMs":250}},
        {"name":"provider.request","id":"2","tenant":"tenant-004","properties":{"provider":"retell","result":"failure","durationMs":5000}},
        {"name":"provider.request","id":"3","tenant":"tenant-004","properties":{"provider":"supabase","result":"success"}},
        {"name":"webhook.processed","id":"4","tenant":"tenant-004","properties":{"source":"retell","result":"success"}},
        {"name":"webhook.processed","id":"5","tenant":"tenant-004","properties":{"source":"calcom","result":"failure"}},
        {"name":"integration.sync","id":"6","tenant":"tenant-005","properties":{"integration":"calendly","result":"success"}},
        {"name":"call.manual","id":"7","tenant":"tenant-005"},
        {"name":"call.manual","id":"8","tenant":"tenant-005"},
        {"name":"staff.task","id":"9","tenant":"tenant-005","properties":{"task":"contact_management","seconds":240}},
        {"name":"staff.task","id":"10","tenant":"tenant-005","properties":{"task":"contact_management","seconds":60.5}},
        {"name":"complaint","id":"11","tenant":"tenant-005","properties":{}},
        {"name":"optout","id":"12","tenant":"tenant-005","properties":{"channel":"sms"}},
        {"name":"phi.prevented","id":"13","tenant":"tenant-004","properties":{"kind":"export","name":"Jo Patient"}},
        {"name":"data.access","id":"14","tenant":"tenant-004","properties":{"resource":"contacts","role":"reception"}},
        {"name":"data.access","id":"15","tenant":"tenant-004","properties":{"resource":"jo@example.com","role":"Dr Smith"}},
        {"name":"analytics.export","id":"16","tenant":"+44 20 7946 0123","properties":{"format":"csv","result":"refused"}},
        {"name":"analytics.export","id":"17","properties":{"format":"pdf","result":"success"}},
        {"name":"call.manual","id":"7","tenant":"tenant-005"},
        {"name":"staff.task","id":"18","tenant":"tenant-005","properties":{"task":"administration","seconds":"a while"}}]"#,
    ));
    all.push(("product", r#"{"name":"nobody.knows.it","tenant":"tenant-004"}"#.to_owned(), 422));
    all
}

/// What is counted then: family, labels without `pack`, value.
pub const COUNTED: [(&str, &str, f64); 37] = [
    ("business_webhooks_total", r#"result="received",source="retell",tenant="tenant-004""#, 12.0),
    ("business_webhooks_total", r#"result="received",source="calcom",tenant="tenant-004""#, 4.0),
    ("business_webhooks_total", r#"result="received",source="calendly",tenant="tenant-004""#, 5.0),
    ("business_webhooks_total", r#"result="success",source="retell",tenant="tenant-004""#, 1.0),
    ("business_webhooks_total", r#"result="failure",source="calcom",tenant="tenant-004""#, 1.0),
    ("business_calls_total", r#"outcome="answered",tenant="tenant-004""#, 2.0),
    ("business_calls_total", r#"outcome="no_answer",tenant="tenant-004""#, 1.0),
    ("business_calls_total", r#"outcome="busy",tenant="tenant-004""#, 1.0),
    ("business_calls_total", r#"outcome="voicemail",tenant="tenant-004""#, 1.0),
    ("business_calls_total", r#"outcome="failed",tenant="tenant-004""#, 2.0),
    ("business_calls_total", r#"outcome="other",tenant="tenant-004""#, 1.0),
    ("business_call_sentiment_total", r#"sentiment="positive",tenant="tenant-004""#, 1.0),
    ("business_call_sentiment_total", r#"sentiment="negative",tenant="tenant-004""#, 1.0),
    ("business_call_sentiment_total", r#"sentiment="other",tenant="tenant-004""#, 1.0),
    // Six calls and one request of the product; two calls and one request that failed.
    ("business_provider_requests_total", r#"provider="retell",result="success",tenant="tenant-004""#, 7.0),
    ("business_provider_requests_total", r#"provider="retell",result="failure",tenant="tenant-004""#, 3.0),
    ("business_provider_requests_total", r#"provider="supabase",result="success",tenant="tenant-004""#, 1.0),
    ("business_provider_request_duration_seconds_count", r#"provider="retell",tenant="tenant-004""#, 2.0),
    ("business_provider_request_duration_seconds_sum", r#"provider="retell",tenant="tenant-004""#, 5.25),
    ("business_booking_changes_total", r#"change="created",source="calcom",tenant="tenant-004""#, 1.0),
    ("business_booking_changes_total", r#"change="rescheduled",source="calcom",tenant="tenant-004""#, 1.0),
    ("business_booking_changes_total", r#"change="cancelled",source="calcom",tenant="tenant-004""#, 1.0),
    ("business_booking_changes_total", r#"change="no_show",source="calcom",tenant="tenant-004""#, 1.0),
    ("business_booking_changes_total", r#"change="created",source="calendly",tenant="tenant-004""#, 1.0),
    ("business_booking_changes_total", r#"change="rescheduled",source="calendly",tenant="tenant-004""#, 1.0),
    ("business_booking_changes_total", r#"change="cancelled",source="calendly",tenant="tenant-004""#, 1.0),
    ("business_booking_changes_total", r#"change="no_show",source="calendly",tenant="tenant-004""#, 1.0),
    ("business_integration_sync_total", r#"integration="calendly",result="success",tenant="tenant-005""#, 1.0),
    ("business_manual_calls_total", r#"tenant="tenant-005""#, 2.0),
    ("business_staff_task_seconds_total", r#"task="contact_management",tenant="tenant-005""#, 300.5),
    ("business_complaints_total", r#"channel="voice",tenant="tenant-005""#, 1.0),
    ("business_optouts_total", r#"channel="sms",tenant="tenant-005""#, 1.0),
    ("business_phi_incidents_prevented_total", r#"kind="export",tenant="tenant-004""#, 1.0),
    ("business_data_access_total", r#"resource="contacts",role="reception",tenant="tenant-004""#, 1.0),
    ("business_data_access_total", r#"resource="other",role="other",tenant="tenant-004""#, 1.0),
    ("business_analytics_exports_total", r#"format="csv",result="refused",tenant="other""#, 1.0),
    ("business_analytics_exports_total", r#"format="pdf",result="success",tenant="unknown""#, 1.0),
];
