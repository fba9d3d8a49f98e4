// SPDX-License-Identifier: GPL-3.0-or-later
// A network between namespaces that adds a delay: link DELAY_SECONDS NAME... makes a device `rank` in each network
// namespace NAME, with the address 10.77.0.(1 + its place), and hands every packet to its receiver that much later.
// For kernels without netem. The rate is limited by `tc` on the devices. Prints `ready`; ends when its input does.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 64, WIDEST = 66000, KEPT = 65536 };

typedef struct {
  double due;
  int to, size;
  unsigned char *bytes;
} packet;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void fail(const char *what) {
  fprintf(stderr, "link: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int open_device(const char *space) {
  char path[256];
  snprintf(path, sizeof path, "/var/run/netns/%s", space);
  int descriptor = open(path, O_RDONLY);
  if (descriptor < 0 || setns(descriptor, CLONE_NEWNET)) fail(path);
  close(descriptor);
  int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  strcpy(request.ifr_name, "rank");
  if (device < 0 || ioctl(device, TUNSETIFF, &request)) fail("/dev/net/tun");
  return device;
}

int main(int count, char **arguments) {
  double delay = count > 1 ? atof(arguments[1]) : 0;
  int n = count - 2;
  if (n < 2 || n > MOST) return fprintf(stderr, "link DELAY NAMESPACE NAMESPACE ...\n"), 2;
  prctl(PR_SET_TIMERSLACK, 1000);
  struct pollfd inputs[MOST + 1];
  for (int i = 0; i < n; i++) inputs[i] = (struct pollfd){open_device(arguments[2 + i]), POLLIN, 0};
  inputs[n] = (struct pollfd){STDIN_FILENO, POLLIN, 0};
  puts("ready");
  fflush(stdout);
  // All delays are equal, so that packets are due in the order in which they came.
  static packet kept[KEPT];
  size_t first = 0, last = 0;
  static unsigned char bytes[WIDEST];
  for (;;) {
    double wait = first == last ? 1 : kept[first % KEPT].due - now();
    struct timespec time = {0, 0};
    if (wait > 0) time = (struct timespec){(time_t)wait, (long)((wait - (time_t)wait) * 1e9)};
    if (ppoll(inputs, n + 1, &time, NULL) < 0 && errno != EINTR) fail("ppoll");
    if (inputs[n].revents) return 0;
    for (int i = 0; i < n; i++) {
      if (!(inputs[i].revents & POLLIN)) continue;
      for (int most = 0; most < 64; most++) {
        ssize_t size = read(inputs[i].fd, bytes, sizeof bytes);
        if (size < 20) break;
        // 10.77.0.x of an IPv4 packet's receiver.
        int to = bytes[19] - 1;
        if (bytes[0] >> 4 != 4 || bytes[16] != 10 || to < 0 || to >= n || last - first == KEPT) continue;
        unsigned char *copy = malloc(size);
        if (!copy) fail("memory");
        memcpy(copy, bytes, size);
        kept[last++ % KEPT] = (packet){now() + delay, to, (int)size, copy};
      }
    }
    for (double time = now(); first != last && kept[first % KEPT].due <= time; first++) {
      packet *p = &kept[first % KEPT];
      // A receiver whose queue is full loses it, as on a network.
      if (write(inputs[p->to].fd, p->bytes, p->size) < 0 && errno != EAGAIN && errno != EIO) fail("a device");
      free(p->bytes);
    }
  }
}
