/* Calls on a wire: the other end of scripts/bench-live.
 *
 *   cc -O2 -o sender benches/sender.c
 *   ./sender INTERFACE CALLS SECONDS [PID]
 *
 * Sets up CALLS calls within two seconds (INVITE, 180, 200, ACK, both descriptions in SDP), sends the media of all of them for a
 * second and then for SECONDS, and hangs up. Media are two streams of PCMU a call, 50 packets a second each and spread evenly:
 * 100 packets a second and call. Sequence numbers and timestamps go on without a gap; a sender that falls behind slows down and
 * says what it really sent. Frames leave by AF_PACKET without a queueing discipline, some 100 us worth of them in a sendmmsg.
 * One JSON object on standard output; of process PID, if given, with its CPU seconds during SECONDS.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	ETHERNET = 14, IP = 20, UDP = 8, RTP = 12, VOICE = 160,
	FRAME = ETHERNET + IP + UDP + RTP + VOICE,
	MAX_CALLS = 20000, PACKETS_A_CALL = 100, BATCH = 128, TEXT = 1400,
};
static const int64_t SECOND = 1000000000, SLICE = 100000, MOST_BEHIND = 5000000;

static int out;
static uint8_t *media; /* a frame a stream: that of the caller and that of the callee in turn */
static uint32_t streams;
static uint64_t refused;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

static void sleep_until(int64_t when)
{
	struct timespec t = {when / SECOND, when % SECOND};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static uint8_t *put16(uint8_t *p, uint32_t x)
{
	p[0] = (uint8_t)(x >> 8);
	p[1] = (uint8_t)x;
	return p + 2;
}

static uint8_t *put32(uint8_t *p, uint32_t x)
{
	return put16(put16(p, x >> 16), x);
}

/* Callers are 10.3.0.0/16, callees 10.4.0.0/16: each its own host. */
static uint32_t address(uint32_t call, int callee)
{
	return (uint32_t)(callee ? 0x0a040000 : 0x0a030000) + call / 250 * 256 + call % 250 + 1;
}

/* Ethernet, IPv4 and UDP before a payload; the checksum of UDP is left out, which IPv4 allows. */
static void headers(uint8_t *p, uint32_t call, int callee, uint32_t port, uint32_t payload)
{
	uint32_t sum = 0;
	uint8_t *ip = p + ETHERNET;

	memcpy(p, "\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08", 13);
	p[13] = 0;
	put32(put32(put32(ip, 0x45000000 | (IP + UDP + payload)), 0x4000), 0x40110000);
	put32(put32(ip + 12, address(call, callee)), address(call, !callee));
	for (int i = 0; i < IP; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	put16(ip + 10, ~(sum + (sum >> 16)));
	put32(put16(put16(ip + IP, port), port), (UDP + payload) << 16);
}

static void make_media(uint32_t stream)
{
	uint8_t *p = media + (size_t)stream * FRAME, *rtp = p + FRAME - VOICE - RTP;

	headers(p, stream / 2, stream & 1, 20000, RTP + VOICE);
	put32(put32(put32(rtp, 0x80000000), stream * 977), stream * 2654435761u);
	for (int i = 0; i < VOICE; i++)
		rtp[RTP + i] = (uint8_t)(i * 37 + (int)stream);
}

/* The n-th packet of a stream follows the one before it. */
static void advance(uint8_t *frame)
{
	uint8_t *rtp = frame + FRAME - VOICE - RTP;
	uint32_t timestamp = (uint32_t)rtp[4] << 24 | (uint32_t)rtp[5] << 16 | (uint32_t)rtp[6] << 8 | rtp[7];

	put16(rtp + 2, (uint32_t)(rtp[2] << 8 | rtp[3]) + 1);
	put32(rtp + 4, timestamp + VOICE);
}

static void send_all(struct mmsghdr *messages, uint32_t count)
{
	for (uint32_t done = 0; done < count;) {
		int sent = sendmmsg(out, messages + done, count - done, 0);

		if (sent > 0)
			done += (uint32_t)sent;
		else if (errno == ENOBUFS || errno == EAGAIN)
			refused++;
		else
			die("sendmmsg");
	}
}

/* The messages of a call: who sends it, its first line, its CSeq, and whether a description follows. */
static const struct message {
	int callee;
	const char *line, *cseq;
	int describes;
} MESSAGES[] = {
	{0, "INVITE sip:callee@b.example SIP/2.0", "1 INVITE", 1},
	{1, "SIP/2.0 180 Ringing", "1 INVITE", 0},
	{1, "SIP/2.0 200 OK", "1 INVITE", 1},
	{0, "ACK sip:callee@b.example SIP/2.0", "1 ACK", 0},
	{0, "BYE sip:callee@b.example SIP/2.0", "2 BYE", 0},
	{1, "SIP/2.0 200 OK", "2 BYE", 0},
};
enum { SET_UP = 0, HANG_UP = 4, END = 6 };

static void say(uint32_t call, uint32_t step)
{
	uint8_t frame[TEXT];
	char body[512] = "", caller[INET_ADDRSTRLEN], own[INET_ADDRSTRLEN];
	const struct message *m = &MESSAGES[step];
	uint32_t of_caller = htonl(address(call, 0)), of_sender = htonl(address(call, m->callee));
	int length;
	struct iovec data = {frame, 0};
	struct mmsghdr message = {.msg_hdr = {.msg_iov = &data, .msg_iovlen = 1}};

	inet_ntop(AF_INET, &of_caller, caller, sizeof caller);
	inet_ntop(AF_INET, &of_sender, own, sizeof own);
	if (m->describes)
		snprintf(body, sizeof body, "v=0\r\no=- %u 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\na=sendrecv\r\n", call, own, own);
	length = snprintf((char *)frame + ETHERNET + IP + UDP, sizeof frame - ETHERNET - IP - UDP,
			  "%s\r\nVia: SIP/2.0/UDP %s:5060;branch=z9hG4bK-%u-%c\r\nMax-Forwards: 70\r\nFrom: <sip:caller-%u@a.example>;tag=a%u\r\n"
			  "To: <sip:callee@b.example>%s\r\nCall-ID: bench-%u-%d@a.example\r\nCSeq: %s\r\nContact: <sip:user@%s:5060>\r\n%sContent-Length: %zu\r\n\r\n%s",
			  m->line, caller, call, *m->cseq + (m->cseq[2] == 'A') * 8, call, call, step ? ";tag=b" : "", call, getpid(), m->cseq, own,
			  m->describes ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
	headers(frame, call, m->callee, 5060, (uint32_t)length);
	data.iov_len = (size_t)(ETHERNET + IP + UDP + length);
	send_all(&message, 1);
}

/* Messages FROM to TO of all calls, evenly over two seconds. */
static uint64_t signal_all(uint32_t calls, uint32_t from, uint32_t to)
{
	int64_t began = now();

	for (uint32_t call = 0; call < calls; call++) {
		sleep_until(began + 2 * SECOND * call / calls);
		for (uint32_t step = from; step < to; step++)
			say(call, step);
	}
	return (uint64_t)calls * (to - from);
}

/* Media for so long, from where they stopped; returns what was sent. */
static uint64_t talk(uint32_t calls, int64_t nanos)
{
	static uint32_t next;
	static struct iovec data[BATCH];
	static struct mmsghdr messages[BATCH];
	int64_t began = now(), end = began + nanos, rate = (int64_t)calls * PACKETS_A_CALL, time;
	uint64_t sent = 0, counted = 0; /* `counted` since `began`, which moves where the sender is too slow */

	while ((time = now()) < end) {
		uint64_t due = (uint64_t)((double)(time - began) * (double)rate / (double)SECOND);
		uint32_t count = due - counted > BATCH ? BATCH : (uint32_t)(due - counted);

		for (uint32_t i = 0; i < count; i++) {
			uint8_t *frame = media + (size_t)next * FRAME;

			advance(frame);
			data[i] = (struct iovec){frame, FRAME};
			messages[i].msg_hdr = (struct msghdr){.msg_iov = &data[i], .msg_iovlen = 1};
			next = next + 1 == streams ? 0 : next + 1;
		}
		send_all(messages, count);
		sent += count;
		counted += count;
		if (due - counted > (uint64_t)(MOST_BEHIND * rate / SECOND)) {
			began = time;
			counted = 0;
		} else if (due == counted) {
			sleep_until(time + SLICE);
		}
	}
	return sent;
}

/* CPU nanoseconds of all threads of a process, as the scheduler counts them. */
static int64_t spent_by(const char *pid)
{
	char path[300];
	int64_t sum = 0, own;
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof path, "/proc/%s/task", pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		FILE *file;

		snprintf(path, sizeof path, "/proc/%s/task/%s/schedstat", pid, entry->d_name);
		file = fopen(path, "r");
		if (file && fscanf(file, "%ld", &own) == 1)
			sum += own;
		if (file)
			fclose(file);
	}
	if (tasks)
		closedir(tasks);
	return sum;
}

static double own_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET};
	int yes = 1, buffer = 8 << 20;
	uint32_t calls = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
	double seconds = argc > 3 ? strtod(argv[3], NULL) : 0;
	const char *pid = argc > 4 ? argv[4] : NULL;
	uint64_t sip, before, sent, after;
	int64_t began, watched;
	double own;

	if (argc < 4 || argc > 5 || !calls || calls > MAX_CALLS || seconds < 0.1 || seconds > 86400) {
		fprintf(stderr, "usage: sender INTERFACE CALLS SECONDS [PID]\n");
		return 2;
	}
	out = socket(AF_PACKET, SOCK_RAW, 0);
	to.sll_ifindex = (int)if_nametoindex(argv[1]);
	if (out < 0 || !to.sll_ifindex || bind(out, (struct sockaddr *)&to, sizeof to))
		die(argv[1]);
	/* Without these two it only is slower. */
	setsockopt(out, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof yes);
	setsockopt(out, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
	streams = 2 * calls;
	media = malloc((size_t)streams * FRAME);
	if (!media)
		die("memory");
	for (uint32_t i = 0; i < streams; i++)
		make_media(i);

	sip = signal_all(calls, SET_UP, HANG_UP);
	before = talk(calls, SECOND);
	watched = pid ? spent_by(pid) : 0;
	own = own_seconds();
	began = now();
	sent = talk(calls, (int64_t)(seconds * (double)SECOND));
	seconds = (double)(now() - began) / (double)SECOND;
	own = own_seconds() - own;
	watched = pid ? spent_by(pid) - watched : 0;
	/* The last packets wait in the kernel for up to 50 ms: calls must not end before their media. */
	sleep_until(now() + SECOND / 10);
	after = signal_all(calls, HANG_UP, END);
	printf("{\"calls\": %u, \"offered_pps\": %u, \"sent_pps\": %.0f, \"seconds\": %.3f, \"window\": %lu, \"media\": %lu, \"sip\": %lu, ",
	       calls, calls * PACKETS_A_CALL, (double)sent / seconds, seconds, sent, before + sent, sip + after);
	printf("\"refused\": %lu, \"own_cpu\": %.3f, \"watched_cpu\": %.4f}\n", refused, own, (double)watched / 1e9);
	return 0;
}
