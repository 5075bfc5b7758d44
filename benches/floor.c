/* The floor under `sidetone analyze`: the least work that a capture of calls can cost, in one thread and one file of C.
 *
 *   cc -O3 -march=native -o floor benches/floor.c
 *   ./floor FILE.pcap
 *
 * Reads a classic pcap (microseconds, this machine's byte order, Ethernet) in blocks of 256 KiB, decodes IPv4 and UDP, takes
 * start line and Call-ID of what comes from or goes to port 5060 into a table of calls, and updates a table of streams as
 * RFC 3550 has it: sequence numbers (A.1), losses (A.3), jitter (A.8). It checks lengths, because anything else would read
 * beyond its buffer, and nothing more: no IPv6, no VLAN, no SDP, no transactions, no expiry, no cap, no metrics, no report.
 * One JSON object on standard output: totals, to be compared with the generator's truth, and CPU seconds.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

enum { BLOCK = 256 << 10, RECORD = 16, FILE_HEADER = 24, SIP_PORT = 5060, CLOCK = 8000 };

/* Two words of cache: what every packet reads and writes, and what few do. */
struct stream {
	uint64_t addresses, flow; /* source and destination; ports and SSRC */
	uint64_t window;          /* which of the 64 numbers up to the highest have come */
	uint32_t last_arrival, last_timestamp; /* in units of the codec's clock */
	uint32_t packets, highest;             /* numbers continue beyond 16 bits, from 65536 on */
	double jitter, jitter_sum;
	double jitter_max;
	uint32_t first, duplicates, reordered;
};

struct call {
	uint64_t id; /* fingerprint of the Call-ID */
	int64_t invited;
	uint32_t messages;
	int answered;
};

/* Open addressing over indices, half full at most: entries stay where they are put. */
struct table {
	uint32_t *slots;
	uint32_t mask, used;
};

static struct stream *streams;
static struct call *calls;
static struct table stream_table, call_table;
static uint64_t frames, bytes, rtp_packets, rtcp_packets, sip_requests, sip_responses, others;
static double setup_seconds;
static uint64_t setups;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
	uint32_t x;
	memcpy(&x, p, sizeof x);
	return ntohl(x);
}

static uint64_t scramble(uint64_t x)
{
	x *= 0x9e3779b97f4a7c15u;
	return x ^ x >> 29;
}

static uint64_t stream_hash(uint64_t addresses, uint64_t flow)
{
	return scramble(scramble(addresses) + flow);
}

static void *grown(void *entries, uint32_t used, size_t size)
{
	/* Doubles when `used` reaches a power of two. */
	if (used >= 1024 && (used & (used - 1)) == 0)
		entries = realloc(entries, 2 * (size_t)used * size);
	else if (used == 0)
		entries = malloc(1024 * size);
	if (!entries)
		die("memory");
	return entries;
}

static uint64_t hash_at(const struct table *table, uint32_t index)
{
	return table == &stream_table ? stream_hash(streams[index].addresses, streams[index].flow) : calls[index].id;
}

static void rehash(struct table *table)
{
	uint32_t size = table->mask ? 2 * (table->mask + 1) : 4096;

	free(table->slots);
	table->slots = calloc(size, sizeof *table->slots);
	if (!table->slots)
		die("memory");
	table->mask = size - 1;
	for (uint32_t i = 0; i < table->used; i++) {
		uint32_t at = hash_at(table, i) & table->mask;
		while (table->slots[at])
			at = (at + 1) & table->mask;
		table->slots[at] = i + 1;
	}
}

static inline void update(struct stream *s, uint16_t number, uint32_t timestamp, uint32_t arrival)
{
	uint16_t ahead = (uint16_t)(number - (uint16_t)s->highest);
	int32_t d = (int32_t)(arrival - s->last_arrival - (timestamp - s->last_timestamp));

	s->packets++;
	if (ahead == 0) {
		s->duplicates++;
	} else if (ahead < 0x8000) {
		s->highest += ahead;
		s->window = ahead < 64 ? s->window << ahead | 1 : 1;
	} else {
		uint16_t behind = (uint16_t)-ahead;
		uint64_t bit = behind < 64 ? (uint64_t)1 << behind : 0;
		if (s->window & bit)
			s->duplicates++;
		else
			s->reordered++;
		s->window |= bit;
		/* Overtaken by its second packet, a stream begins before the first that came. */
		if (s->highest - behind < s->first && behind < 64)
			s->first = s->highest - behind;
	}
	s->jitter += (double)(d < 0 ? -d : d) * (1.0 / 16) - s->jitter * (1.0 / 16);
	s->jitter_sum += s->jitter;
	if (s->jitter > s->jitter_max)
		s->jitter_max = s->jitter;
	s->last_arrival = arrival;
	s->last_timestamp = timestamp;
}

static inline void rtp(const uint8_t *ip, const uint8_t *udp, const uint8_t *payload, int64_t micros)
{
	uint32_t ports, ssrc, timestamp = be32(payload + 4), arrival = (uint32_t)((uint64_t)micros / (1000000 / CLOCK)), at;
	uint16_t number = be16(payload + 2);
	uint64_t addresses, flow;

	memcpy(&addresses, ip + 12, 8);
	memcpy(&ports, udp, 4);
	memcpy(&ssrc, payload + 8, 4);
	flow = (uint64_t)ports << 32 | ssrc;
	for (at = stream_hash(addresses, flow) & stream_table.mask; stream_table.slots[at]; at = (at + 1) & stream_table.mask) {
		struct stream *s = &streams[stream_table.slots[at] - 1];
		if (s->addresses == addresses && s->flow == flow) {
			update(s, number, timestamp, arrival);
			return;
		}
	}
	streams = grown(streams, stream_table.used, sizeof *streams);
	streams[stream_table.used] = (struct stream){
		.addresses = addresses, .flow = flow, .window = 1, .packets = 1, .last_arrival = arrival,
		.last_timestamp = timestamp, .first = 1 << 16 | number, .highest = 1 << 16 | number,
	};
	stream_table.slots[at] = ++stream_table.used;
	if (stream_table.used * 2 > stream_table.mask)
		rehash(&stream_table);
}

static struct call *call_of(uint64_t id)
{
	uint32_t at = id & call_table.mask;

	for (; call_table.slots[at]; at = (at + 1) & call_table.mask)
		if (calls[call_table.slots[at] - 1].id == id)
			return &calls[call_table.slots[at] - 1];
	calls = grown(calls, call_table.used, sizeof *calls);
	calls[call_table.used] = (struct call){.id = id};
	call_table.slots[at] = ++call_table.used;
	if (call_table.used * 2 > call_table.mask)
		rehash(&call_table);
	return &calls[call_table.used - 1];
}

/* The value of Call-ID, or of its short form; length 0 where there is none. */
static size_t call_id(const uint8_t *p, const uint8_t *end, const uint8_t **value)
{
	while ((p = memchr(p, '\n', (size_t)(end - p))) && ++p < end && *p != '\r' && *p != '\n') {
		size_t left = (size_t)(end - p), name = 0;
		const uint8_t *stop;

		if (left > 8 && (*p | 32) == 'c' && !strncasecmp((const char *)p, "call-id:", 8))
			name = 8;
		else if (left > 2 && (*p | 32) == 'i' && p[1] == ':')
			name = 2;
		if (!name)
			continue;
		for (p += name; p < end && *p == ' '; p++)
			;
		for (stop = p; stop < end && *stop != '\n'; stop++)
			;
		while (stop > p && stop[-1] <= ' ')
			stop--;
		*value = p;
		return (size_t)(stop - p);
	}
	return 0;
}

static void sip(const uint8_t *p, const uint8_t *end, int64_t micros)
{
	int response = end - p > 12 && !memcmp(p, "SIP/2.0 ", 8);
	int invite = end - p > 7 && !memcmp(p, "INVITE ", 7);
	const uint8_t *id = NULL;
	size_t length = call_id(p, end, &id);
	uint64_t hash = length, word;
	struct call *call;

	*(response ? &sip_responses : &sip_requests) += 1;
	if (!length)
		return;
	for (; length >= sizeof word; length -= sizeof word, id += sizeof word) {
		memcpy(&word, id, sizeof word);
		hash = scramble(hash ^ word);
	}
	while (length--)
		hash = (hash ^ *id++) * 0x100000001b3u;
	call = call_of(scramble(hash));
	call->messages++;
	if (invite && !call->invited) {
		call->invited = micros;
	} else if (response && p[8] == '2' && call->invited && !call->answered) {
		call->answered = 1;
		setups++;
		setup_seconds += (double)(micros - call->invited) / 1e6;
	}
}

static void frame(const uint8_t *p, uint32_t length, int64_t micros)
{
	const uint8_t *ip = p + 14, *udp, *payload, *end = p + length;

	if (length < 42 || p[12] != 8 || p[13] != 0 || ip[0] >> 4 != 4 || ip[9] != 17)
		goto other;
	udp = ip + (ip[0] & 15) * 4;
	payload = udp + 8;
	if (payload > end)
		goto other;
	if (be16(udp) == SIP_PORT || be16(udp + 2) == SIP_PORT) {
		sip(payload, end, micros);
	} else if (end - payload >= 12 && payload[0] >> 6 == 2) {
		if (payload[1] >= 192 && payload[1] <= 223) {
			rtcp_packets++;
		} else {
			rtp_packets++;
			rtp(ip, udp, payload, micros);
		}
	} else {
		goto other;
	}
	return;
other:
	others++;
}

static void read_capture(int fd)
{
	static uint8_t block[BLOCK];
	size_t have = 0, at = FILE_HEADER;
	ssize_t got;

	while ((got = read(fd, block + have, BLOCK - have)) > 0) {
		have += (size_t)got;
		while (at + RECORD <= have) {
			uint32_t head[4];
			memcpy(head, block + at, sizeof head);
			if (head[2] > BLOCK - RECORD - FILE_HEADER) {
				fprintf(stderr, "a record of %u bytes\n", head[2]);
				exit(1);
			}
			if (at + RECORD + head[2] > have)
				break;
			frames++;
			bytes += head[3];
			frame(block + at + RECORD, head[2], (int64_t)head[0] * 1000000 + head[1]);
			at += RECORD + head[2];
		}
		memmove(block, block + at, have - at);
		have -= at;
		at = 0;
	}
	if (got < 0)
		die("read");
}

static double seconds(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	uint64_t expected = 0, lost = 0, duplicates = 0, reordered = 0;
	double jitter = 0;
	struct rusage usage;
	uint32_t magic;
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: floor FILE.pcap\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY);
	if (fd < 0 || pread(fd, &magic, sizeof magic, 0) != sizeof magic)
		die(argv[1]);
	if (magic != 0xa1b2c3d4) {
		fprintf(stderr, "%s: no pcap with microseconds in this machine's byte order\n", argv[1]);
		return 1;
	}
	rehash(&stream_table);
	rehash(&call_table);
	read_capture(fd);
	for (uint32_t i = 0; i < stream_table.used; i++) {
		const struct stream *s = &streams[i];
		uint64_t range = s->highest - s->first + 1;
		expected += range;
		lost += range - (s->packets - s->duplicates);
		duplicates += s->duplicates;
		reordered += s->reordered;
		jitter += s->packets > 1 ? s->jitter_sum / (double)(s->packets - 1) / CLOCK : 0;
	}
	getrusage(RUSAGE_SELF, &usage);
	printf("{\"cpu_seconds\": %.4f, \"max_rss_kib\": %ld, \"frames\": %lu, \"bytes\": %lu, \"rtp\": %lu, \"rtcp\": %lu, ",
	       seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss, frames, bytes, rtp_packets, rtcp_packets);
	printf("\"other\": %lu, \"requests\": %lu, \"responses\": %lu, \"calls\": %u, \"answered\": %lu, \"mean_setup_seconds\": %.4f, ",
	       others, sip_requests, sip_responses, call_table.used, setups, setups ? setup_seconds / (double)setups : 0);
	printf("\"streams\": %u, \"expected\": %lu, \"lost\": %lu, \"duplicates\": %lu, \"reordered\": %lu, \"mean_jitter_seconds\": %.6f}\n",
	       stream_table.used, expected, lost, duplicates, reordered, stream_table.used ? jitter / stream_table.used : 0);
	return 0;
}
