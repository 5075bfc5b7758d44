//! The page at `/`: where to go. It loads nothing from anywhere.

/// The page, complete.
pub const PAGE: &str = concat!(
    r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sidetone</title>
<style>
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem }
h1 { margin-bottom: 0 }
dt { margin-top: 1rem; font-family: ui-monospace, monospace }
dd { margin: 0 }
.version { opacity: .7; margin-top: 0 }
</style>
</head>
<body>
<h1>Sidetone</h1>
<p class="version">version "#,
    env!("CARGO_PKG_VERSION"),
    r#"</p>
<p>Watches SIP calls and RTP streams on this host and tells Prometheus how they are.</p>
<dl>
<dt><a href="metrics">/metrics</a></dt>
<dd>All metrics, as Prometheus text or OpenMetrics, as the client asks.</dd>
<dt><a href="-/healthy">/-/healthy</a></dt>
<dd>200 while the agent runs.</dd>
<dt><a href="-/ready">/-/ready</a></dt>
<dd>200 once it captures; until then 503 and the reason.</dd>
</dl>
</body>
</html>
"#
);
