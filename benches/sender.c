/* Calls on a wire: the other end of scripts/bench-live.
 *
 *   cc -O2 -o sender benches/sender.c
 *   ./sender INTERFACE CALLS SECONDS [PID]
 *
 * Sets up CALLS calls within two seconds (INVITE, 180, 200, ACK, both descriptions in SDP), sends the media of all of them for a
 * second and then for SECONDS, and hangs up. Media are two streams of PCMU a call, 50 packets a second each and spread evenly:
 * 100 packets a second and call. Sequence numbers and timestamps go on without a gap.
 *
 * A socket sends 0.6 million packets a second and core to a veth pair, so media go another way: a program of some 50 instructions
 * runs in the kernel on pages that it redirects to the interface (BPF_F_TEST_XDP_LIVE_FRAMES, Linux 5.18). It looks at the clock,
 * and where a packet is due it advances the next stream's frame and sends it; that is twice as fast. A sender that falls behind
 * slows down and says what it really sent. The other end of the pair needs GRO, which makes it take frames from XDP.
 *
 * One JSON object on standard output; of process PID, if given, with its CPU seconds during SECONDS.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
	ETHERNET = 14, IP = 20, UDP = 8, RTP = 12, VOICE = 160,
	FRAME = ETHERNET + IP + UDP + RTP + VOICE,
	PAD = 2, SLOT = PAD + FRAME, /* a frame in its map, so that its timestamp is aligned */
	SEQUENCE = PAD + ETHERNET + IP + UDP + 2, TIMESTAMP = SEQUENCE + 2,
	MAX_CALLS = 20000, STREAM_RATE = 50, BATCH = 64, MOST_BEHIND = 5000000, TEXT = 1400,
	FRACTION = 10, /* bits of a nanosecond in `due` and `interval` */
};
static const int64_t SECOND = 1000000000;

/* What the program in the kernel shares with this one. */
struct pace {
	uint64_t due, interval, sent;
	uint32_t next, streams;
};

static int out, program;
static struct pace *pace;
static uint8_t *media; /* a slot a stream: that of the caller and that of the callee in turn */
static uint32_t streams;

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
	uint8_t *p = media + (size_t)stream * SLOT + PAD, *rtp = p + FRAME - VOICE - RTP;

	headers(p, stream / 2, stream & 1, 20000, RTP + VOICE);
	put32(put32(put32(rtp, 0x80000000), stream * 977), stream * 2654435761u);
	for (int i = 0; i < VOICE; i++)
		rtp[RTP + i] = (uint8_t)(i * 37 + (int)stream);
}

static int bpf(int command, union bpf_attr *attributes)
{
	return (int)syscall(SYS_bpf, command, attributes, sizeof *attributes);
}

/* An array that the program in the kernel and this one see. */
static void *shared(uint32_t size, uint32_t entries, int *map)
{
	union bpf_attr array = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = size, .max_entries = entries, .map_flags = BPF_F_MMAPABLE};
	void *at;

	*map = bpf(BPF_MAP_CREATE, &array);
	at = *map < 0 ? MAP_FAILED : mmap(NULL, (size_t)size * entries, PROT_READ | PROT_WRITE, MAP_SHARED, *map, 0);
	if (at == MAP_FAILED)
		die("an array in the kernel (needs root)");
	return at;
}

#define OP(code, to, from, offset, number) {code, to, from, offset, number}
#define SET(to, number) OP(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, number)
#define COPY(to, from) OP(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0)
#define ADD(to, number) OP(BPF_ALU64 | BPF_ADD | BPF_K, to, 0, 0, number)
#define LOAD(size, to, from, offset) OP(BPF_LDX | BPF_MEM | size, to, from, offset, 0)
#define STORE(size, to, offset, from) OP(BPF_STX | BPF_MEM | size, to, from, offset, 0)
#define SWAP(to, bits) OP(BPF_ALU | BPF_END | BPF_TO_BE, to, 0, 0, bits)
#define MAP(to, kind, map) OP(BPF_LD | BPF_DW | BPF_IMM, to, kind, 0, map), OP(0, 0, 0, 0, 0)
#define CALL(function) OP(BPF_JMP | BPF_CALL, 0, 0, 0, function)
#define EXIT OP(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define FIELD(name) offsetof(struct pace, name)

/* Sends a packet of the next stream where one is due, or nothing. Results come in r0, arguments go in r1 to r5, r6 to r9 stay. */
static void load_program(int paces, int frames, int interface)
{
	const struct bpf_insn code[] = {
		COPY(6, 1), /* the frame to fill */
		MAP(7, BPF_PSEUDO_MAP_VALUE, paces),
		CALL(BPF_FUNC_ktime_get_ns),
		OP(BPF_ALU64 | BPF_LSH | BPF_K, 0, 0, 0, FRACTION),
		LOAD(BPF_DW, 1, 7, FIELD(due)),
		OP(BPF_JMP | BPF_JGE | BPF_X, 0, 1, 2, 0), /* if now >= due, go on */
		SET(0, XDP_DROP), EXIT,
		COPY(2, 0),
		OP(BPF_ALU64 | BPF_SUB | BPF_X, 2, 1, 0, 0),
		OP(BPF_ALU64 | BPF_RSH | BPF_K, 2, 0, 0, FRACTION),
		OP(BPF_JMP | BPF_JLE | BPF_K, 2, 0, 1, MOST_BEHIND),
		COPY(1, 0), /* too far behind: the pace begins anew */
		LOAD(BPF_DW, 2, 7, FIELD(interval)),
		OP(BPF_ALU64 | BPF_ADD | BPF_X, 1, 2, 0, 0),
		STORE(BPF_DW, 7, FIELD(due), 1),
		LOAD(BPF_DW, 1, 7, FIELD(sent)), ADD(1, 1), STORE(BPF_DW, 7, FIELD(sent), 1),
		LOAD(BPF_W, 8, 7, FIELD(next)), /* the stream whose turn it is */
		COPY(9, 8), ADD(9, 1),
		LOAD(BPF_W, 1, 7, FIELD(streams)),
		OP(BPF_JMP | BPF_JLT | BPF_X, 9, 1, 1, 0),
		SET(9, 0),
		STORE(BPF_W, 7, FIELD(next), 9),
		STORE(BPF_W, 10, -4, 8), COPY(2, 10), ADD(2, -4),
		MAP(1, BPF_PSEUDO_MAP_FD, frames),
		CALL(BPF_FUNC_map_lookup_elem),
		OP(BPF_JMP | BPF_JNE | BPF_K, 0, 0, 2, 0),
		SET(0, XDP_DROP), EXIT, /* never, but the kernel wants to see it */
		COPY(7, 0), /* its frame: the next number, 20 ms later */
		LOAD(BPF_H, 1, 7, SEQUENCE), SWAP(1, 16), ADD(1, 1), SWAP(1, 16), STORE(BPF_H, 7, SEQUENCE, 1),
		LOAD(BPF_W, 1, 7, TIMESTAMP), SWAP(1, 32), ADD(1, VOICE), SWAP(1, 32), STORE(BPF_W, 7, TIMESTAMP, 1),
		COPY(1, 6), SET(2, 0), COPY(3, 7), ADD(3, PAD), SET(4, FRAME),
		CALL(BPF_FUNC_xdp_store_bytes),
		SET(1, interface), SET(2, 0),
		CALL(BPF_FUNC_redirect),
		EXIT,
	};
	static char log[1 << 16];
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_XDP, .insns = (uint64_t)code, .insn_cnt = sizeof code / sizeof *code,
		.license = (uint64_t)"", .log_buf = (uint64_t)log, .log_size = sizeof log, .log_level = 1,
	};

	program = bpf(BPF_PROG_LOAD, &load);
	if (program < 0) {
		fputs(log, stderr);
		die("the program in the kernel (needs root and Linux 5.18)");
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
	while (send(out, frame, (size_t)(ETHERNET + IP + UDP + length), 0) < 0)
		if (errno != ENOBUFS)
			die("send");
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

static void over(int signal)
{
	(void)signal;
}

/* Media for so long, from where they stopped; returns what was sent. */
static uint64_t talk(double seconds)
{
	union bpf_attr run;
	uint64_t before = pace->sent;
	int64_t end = now() + (int64_t)(seconds * (double)SECOND);
	struct itimerval timer = {.it_value = {(time_t)seconds, (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6)}};

	/* The signal ends the call, which else goes on for minutes. Were it missed, the next one would end it. */
	timer.it_interval.tv_usec = 10000;
	setitimer(ITIMER_REAL, &timer, NULL);
	while (now() < end) {
		memset(&run, 0, sizeof run);
		run.test.prog_fd = (uint32_t)program;
		run.test.data_in = (uint64_t)(media + PAD);
		run.test.data_size_in = FRAME;
		run.test.repeat = UINT32_MAX;
		run.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
		run.test.batch_size = BATCH;
		if (bpf(BPF_PROG_TEST_RUN, &run) && errno != EINTR)
			die("BPF_F_TEST_XDP_LIVE_FRAMES (needs root and Linux 5.18)");
	}
	setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
	return pace->sent - before;
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

int main(int argc, char **argv)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET};
	struct sigaction action = {.sa_handler = over}; /* no SA_RESTART: calls end */
	uint32_t calls = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
	double seconds = argc > 3 ? strtod(argv[3], NULL) : 0;
	const char *pid = argc > 4 ? argv[4] : NULL;
	uint64_t sip, before, sent;
	int64_t began, watched;
	int frames, paces;

	if (argc < 4 || argc > 5 || !calls || calls > MAX_CALLS || seconds < 0.1 || seconds > 86400) {
		fprintf(stderr, "usage: sender INTERFACE CALLS SECONDS [PID]\n");
		return 2;
	}
	out = socket(AF_PACKET, SOCK_RAW, 0);
	to.sll_ifindex = (int)if_nametoindex(argv[1]);
	if (out < 0 || !to.sll_ifindex || bind(out, (struct sockaddr *)&to, sizeof to))
		die(argv[1]);
	streams = 2 * calls;
	media = shared(SLOT, streams, &frames);
	pace = shared(sizeof *pace, 1, &paces);
	for (uint32_t i = 0; i < streams; i++)
		make_media(i);
	pace->streams = streams;
	pace->interval = ((uint64_t)SECOND << FRACTION) / ((uint64_t)streams * STREAM_RATE);
	load_program(paces, frames, to.sll_ifindex);
	sigaction(SIGALRM, &action, NULL);

	sip = signal_all(calls, SET_UP, HANG_UP);
	before = talk(1);
	watched = pid ? spent_by(pid) : 0;
	began = now();
	sent = talk(seconds);
	seconds = (double)(now() - began) / (double)SECOND;
	watched = pid ? spent_by(pid) - watched : 0;
	/* The last packets wait in the kernel for up to 50 ms: calls must not end before their media. */
	sleep_until(now() + SECOND / 10);
	sip += signal_all(calls, HANG_UP, END);
	printf("{\"calls\": %u, \"asked_pps\": %u, \"sent_pps\": %.0f, \"seconds\": %.3f, \"window\": %lu, \"media\": %lu, \"sip\": %lu, \"watched_cpu\": %.4f}\n",
	       calls, streams * STREAM_RATE, (double)sent / seconds, seconds, sent, before + sent, sip, (double)watched / 1e9);
	return 0;
}
