/* The floor under `sidetone run`: a libpcap program that counts packets and does nothing else. The other end of scripts/bench-live.
 *
 *   cc -O2 -o counter benches/counter.c -lpcap
 *   ./counter INTERFACE RING_BYTES [FILTER]
 *
 * Opens the interface as Sidetone does (whole frames, not promiscuous, 50 ms in which the kernel may gather packets, a ring of that
 * size) and counts until SIGTERM. One JSON object on standard output; `ready` on standard error when packets are counted.
 */
#include <pcap/pcap.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static pcap_t *capture;
static uint64_t packets, bytes;

static void count(uint8_t *unused, const struct pcap_pkthdr *header, const uint8_t *data)
{
	(void)unused;
	(void)data;
	packets++;
	bytes += header->caplen;
}

static void stop(int signal)
{
	(void)signal;
	pcap_breakloop(capture);
}

static void check(int failed)
{
	if (failed) {
		fprintf(stderr, "counter: %s\n", pcap_geterr(capture));
		exit(1);
	}
}

int main(int argc, char **argv)
{
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_stat statistics;
	struct bpf_program program;

	if (argc < 3 || argc > 4) {
		fprintf(stderr, "usage: counter INTERFACE RING_BYTES [FILTER]\n");
		return 2;
	}
	capture = pcap_create(argv[1], error);
	if (!capture) {
		fprintf(stderr, "counter: %s\n", error);
		return 1;
	}
	check(pcap_set_snaplen(capture, 65535) || pcap_set_timeout(capture, 50) || pcap_set_buffer_size(capture, atoi(argv[2])));
	check(pcap_activate(capture) < 0);
	check(argc == 4 && (pcap_compile(capture, &program, argv[3], 1, PCAP_NETMASK_UNKNOWN) || pcap_setfilter(capture, &program)));
	signal(SIGTERM, stop);
	fprintf(stderr, "ready\n");
	check(pcap_loop(capture, -1, count, NULL) == PCAP_ERROR);
	check(pcap_stats(capture, &statistics));
	printf("{\"packets\": %lu, \"bytes\": %lu, \"dropped\": %u, \"interface_dropped\": %u}\n", packets, bytes, statistics.ps_drop, statistics.ps_ifdrop);
	return 0;
}
