# Reads /metrics (text 0.0.4) for scripts/demo. -v form=table|line|numbers, -v elapsed=, -v seconds=

function label(key) {
  return match($0, key "=\"[^\"]*\"") ? substr($0, RSTART + length(key) + 2, RLENGTH - length(key) - 3) : ""
}

# The sum over all series of a family, or over those of one direction.
function total(family, way) { return sums[family, way ? way : "all"] + 0 }

# a / b in a unit, "-" while there is no b.
function share(a, b, scale, digits, unit) { return b > 0 ? sprintf("%." digits "f", scale * a / b) unit : "-" }
function mean(family, way, scale, digits, unit) {
  return share(total(family "_sum", way), total(family "_count", way), scale, digits, unit)
}
function loss(way) { return share(total("rtp_packets_lost_total", way), total("rtp_packets_expected_total", way), 100, 1, " %") }

function media_row(way,   judged) {
  judged = quality[way, "good"] + quality[way, "fair"] + quality[way, "poor"]
  printf "  %-9s %7d %9d %6d %7s", way, total("rtp_streams_active", way), total("rtp_packets_total", way),
    total("rtp_packets_lost_total", way), loss(way)
  printf " %9s %6s", mean("rtp_jitter_seconds", way, 1000, 1, " ms"), mean("rtp_mos", way, 1, 2, "")
  printf " %7s %6s %6s\n", share(quality[way, "good"], judged, 100, 0, " %"), share(quality[way, "fair"], judged, 100, 0, " %"),
    share(quality[way, "poor"], judged, 100, 0, " %")
}

function table() {
  printf "  %d s of %d s\n\n", elapsed, seconds
  printf "  calls      active %4d   attempts %4d   answered %4d\n", total("call_active"), total("call_attempts_total"),
    total("call_answers_total")
  printf "  ended   completed %4d       busy %4d  not found %4d   cancelled %4d\n\n", outcome["completed"], outcome["busy"],
    outcome["not_found"], outcome["cancelled"]
  print "  RTP       streams   packets   lost    loss    jitter    MOS    good   fair   poor"
  media_row("outbound")
  media_row("inbound")
}

function line() {
  printf "%3d s: %d calls active, %d attempts, %d answered; ", elapsed, total("call_active"), total("call_attempts_total"),
    total("call_answers_total")
  printf "completed %d, busy %d, not found %d, cancelled %d; ", outcome["completed"], outcome["busy"], outcome["not_found"],
    outcome["cancelled"]
  printf "%d RTP packets, loss %s, jitter %s, MOS %s\n", total("rtp_packets_total"), loss(),
    mean("rtp_jitter_seconds", "", 1000, 1, " ms"), mean("rtp_mos", "", 1, 2, "")
}

function numbers() {
  print total("call_attempts_total"), total("call_answers_total"), outcome["completed"] + 0, outcome["busy"] + 0,
    outcome["not_found"] + 0, outcome["cancelled"] + 0, total("rtp_packets_total"),
    total("rtp_packets_lost_total"), total("rtp_streams_active"), total("call_active")
}

/^#/ { next }
{
  family = $0
  sub(/[{ ].*/, "", family)
  sums[family, "all"] += $NF
  sums[family, label("direction")] += $NF
}
family == "call_outcomes_total" { outcome[label("outcome")] += $NF }
family == "rtp_stream_seconds_total" { quality[label("direction"), label("quality")] += $NF }

END {
  if (form == "table") table()
  else if (form == "line") line()
  else numbers()
}
