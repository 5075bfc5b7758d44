/* What a program takes: CPU seconds, user and system, and resident memory at its highest in KiB.
 *
 *   cc -O2 -o spent benches/spent.c
 *   ./spent LIMIT PROGRAM [ARGUMENT]...
 *
 * Its output is thrown away, its input is empty, and after LIMIT seconds of CPU, or four times as
 * long by the clock, it is ended. One line: seconds, KiB, and `done`, `limit` or `failed`.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* How it ended, in a word. */
static const char *end_of(int status)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status) ? "failed" : "done";
	switch (WTERMSIG(status)) {
	case SIGXCPU:
	case SIGKILL:
	case SIGALRM:
		return "limit";
	default:
		return "failed";
	}
}

static double seconds(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	rlim_t limit = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;
	struct rusage usage;
	int status;
	pid_t pid;

	if (!limit) {
		fprintf(stderr, "usage: spent LIMIT PROGRAM [ARGUMENT]...\n");
		return 2;
	}
	pid = fork();
	if (pid == 0) {
		int nothing = open("/dev/null", O_RDWR);
		struct rlimit cpu = {limit, limit + 1};

		if (nothing < 0 || setrlimit(RLIMIT_CPU, &cpu) || dup2(nothing, 0) < 0 || dup2(nothing, 1) < 0 || dup2(nothing, 2) < 0)
			_exit(127);
		alarm((unsigned)(4 * limit)); /* outlives exec */
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) < 0) {
		perror("spent");
		return 1;
	}
	printf("%.6f %ld %s\n", seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss, end_of(status));
	return 0;
}
