/*
 * floor: the least that a server of this shape can cost, to measure others against.
 *
 *     floor [-b] PORT
 *
 * One thread, epoll, WebSocket frames, and nothing else: no encoding, no store, no session. Whoever
 * asks for /sub/G hears group G; whoever asks for /pub/G posts to it. A post is framed once and
 * written with one send for each hearer; with -b all posts that were read in one round of epoll
 * leave for a hearer in one send. A hearer that does not read is cut at 1 MiB unsent.
 *
 * Invariant: it does no work for a delivery but the system call, so no server that makes one call
 * for each delivery can cost less.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define GROUPS 4096
#define ROUND_BYTES (1u << 20) /* of one group, before they leave anyway */
#define UNSENT_MAX (1u << 20)
#define READ_BYTES 65536u

struct client {
    int fd, group;
    uint32_t index;          /* among the hearers of its group */
    bool open, posts, dead;
    uint8_t *in, *out;       /* read and not whole; not taken by the kernel */
    uint32_t in_length, in_room, out_length, out_room;
    struct client *next;     /* among the dead */
};

struct group {
    struct client **hearers;
    uint32_t count, room;
    uint8_t *round;          /* what was posted in this round, framed */
    uint32_t length;
    bool talking;
};

static struct group groups[GROUPS];
static struct group *talking[GROUPS];
static uint32_t talking_count;
static struct client *graveyard;
static int poller;
static bool coalescing;

/* -- the handshake: SHA-1 and base64, as RFC 6455 wants them ------------------------------- */

static uint32_t rotate(uint32_t value, int by) { return value << by | value >> (32 - by); }

static void sha1_block(uint32_t h[5], const uint8_t *p)
{
    uint32_t w[80], v[5];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
               (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    memcpy(v, h, sizeof v);
    for (int i = 0; i < 80; i++) {
        uint32_t f = i < 20   ? ((v[1] & v[2]) | (~v[1] & v[3])) + 0x5a827999
                     : i < 40 ? (v[1] ^ v[2] ^ v[3]) + 0x6ed9eba1
                     : i < 60 ? ((v[1] & v[2]) | (v[1] & v[3]) | (v[2] & v[3])) + 0x8f1bbcdc
                              : (v[1] ^ v[2] ^ v[3]) + 0xca62c1d6;
        uint32_t next = rotate(v[0], 5) + f + v[4] + w[i];
        v[4] = v[3];
        v[3] = v[2];
        v[2] = rotate(v[1], 30);
        v[1] = v[0];
        v[0] = next;
    }
    for (int i = 0; i < 5; i++)
        h[i] += v[i];
}

/* Hash a text shorter than 120 bytes. */
static void sha1(const char *text, uint8_t digest[20])
{
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t message[128] = {0};
    size_t length = strlen(text), total = length < 56 ? 64 : 128;
    memcpy(message, text, length);
    message[length] = 0x80;
    message[total - 2] = (uint8_t)(length * 8 >> 8);
    message[total - 1] = (uint8_t)(length * 8);
    for (size_t at = 0; at < total; at += 64)
        sha1_block(h, message + at);
    for (int i = 0; i < 20; i++)
        digest[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

static void base64(const uint8_t *data, int length, char *text)
{
    const char *digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int i = 0; i < length; i += 3) {
        uint32_t v = (uint32_t)data[i] << 16 | (i + 1 < length ? (uint32_t)data[i + 1] << 8 : 0) |
                     (i + 2 < length ? data[i + 2] : 0);
        *text++ = digits[v >> 18 & 63];
        *text++ = digits[v >> 12 & 63];
        *text++ = i + 1 < length ? digits[v >> 6 & 63] : '=';
        *text++ = i + 2 < length ? digits[v & 63] : '=';
    }
    *text = 0;
}

/* -- clients ------------------------------------------------------------------------------- */

static void drop(struct client *c)
{
    if (c->dead)
        return;
    c->dead = true;
    close(c->fd);
    if (c->open && !c->posts) {
        struct group *g = &groups[c->group];
        g->hearers[c->index] = g->hearers[--g->count];
        g->hearers[c->index]->index = c->index;
    }
    c->next = graveyard;
    graveyard = c;
}

/* Free the dead: at the end of a round, when no event refers to them. */
static void bury(void)
{
    while (graveyard) {
        struct client *c = graveyard;
        graveyard = c->next;
        free(c->in);
        free(c->out);
        free(c);
    }
}

static void watch(struct client *c, uint32_t wish, int how)
{
    struct epoll_event event = {.events = wish, .data.ptr = c};
    epoll_ctl(poller, how, c->fd, &event);
}

static void keep_unsent(struct client *c, const uint8_t *data, uint32_t length)
{
    if (c->out_length + length > UNSENT_MAX) {
        drop(c);
        return;
    }
    if (c->out_length + length > c->out_room) {
        c->out_room = c->out_length + length + 4096;
        c->out = realloc(c->out, c->out_room);
    }
    if (c->out_length == 0)
        watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    memcpy(c->out + c->out_length, data, length);
    c->out_length += length;
}

static void deliver(struct client *c, const uint8_t *data, uint32_t length)
{
    if (c->out_length) {
        keep_unsent(c, data, length);
        return;
    }
    ssize_t n = send(c->fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n == (ssize_t)length)
        return;
    if (n < 0 && errno != EAGAIN) {
        drop(c);
        return;
    }
    n = n < 0 ? 0 : n;
    keep_unsent(c, data + n, length - (uint32_t)n);
}

static void say(struct group *g)
{
    for (uint32_t i = g->count; i-- > 0;)
        if (i < g->count)
            deliver(g->hearers[i], g->round, g->length);
    g->length = 0;
}

static void hear(struct group *g, uint8_t opcode, const uint8_t *data, uint32_t length)
{
    if (g->round == NULL)
        g->round = malloc(ROUND_BYTES + READ_BYTES + 16);
    uint8_t *at = g->round + g->length;
    at[0] = 0x80 | opcode;
    at[1] = (uint8_t)(length < 126 ? length : 126);
    uint32_t head = length < 126 ? 2 : 4;
    if (head == 4) {
        at[2] = (uint8_t)(length >> 8);
        at[3] = (uint8_t)length;
    }
    memcpy(at + head, data, length);
    g->length += head + length;
    if (!coalescing || g->length > ROUND_BYTES) {
        say(g);
    } else if (!g->talking) {
        g->talking = true;
        talking[talking_count++] = g;
    }
}

/* Take the whole frames that were read; only data frames up to 65,535 bytes are understood. */
static void take_frames(struct client *c)
{
    uint32_t done = 0;
    while (!c->dead && c->in_length - done >= 6) {
        uint8_t *f = c->in + done;
        uint32_t length = f[1] & 127, head = 2;
        if (length == 126) {
            length = (uint32_t)f[2] << 8 | f[3];
            head = 4;
        }
        if (length == 127 || (f[0] & 15) == 8)
            drop(c);
        if (c->dead || c->in_length - done < head + 4 + length)
            break;
        uint8_t *mask = f + head, *data = mask + 4;
        for (uint32_t i = 0; i < length; i++)
            data[i] ^= mask[i & 3];
        if ((f[0] & 15) < 3)
            hear(&groups[c->group], f[0] & 15, data, length);
        done += head + 4 + length;
    }
    if (done) {
        memmove(c->in, c->in + done, c->in_length - done);
        c->in_length -= done;
    }
}

static void shake_hands(struct client *c)
{
    static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[128], accept[40], answer[256], *request = (char *)c->in;
    uint8_t digest[20];
    request[c->in_length] = 0;
    char *end = strstr(request, "\r\n\r\n");
    char *key = strcasestr(request, "sec-websocket-key:");
    if (end == NULL)
        return;
    if (key == NULL || sscanf(key + 18, " %64[^\r ]", text) != 1) {
        drop(c);
        return;
    }
    memcpy(text + strlen(text), magic, sizeof magic);
    sha1(text, digest);
    base64(digest, 20, accept);
    int n = snprintf(answer, sizeof answer,
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                     accept);
    c->posts = !strncmp(request + 4, "/pub/", 5);
    c->group = atoi(request + 9) & (GROUPS - 1);
    c->open = true;
    if (!c->posts) {
        struct group *g = &groups[c->group];
        if (g->count == g->room) {
            g->room = g->room * 2 + 16;
            g->hearers = realloc(g->hearers, g->room * sizeof *g->hearers);
        }
        c->index = g->count;
        g->hearers[g->count++] = c;
    }
    uint32_t used = (uint32_t)(end + 4 - request);
    memmove(c->in, c->in + used, c->in_length - used);
    c->in_length -= used;
    deliver(c, (uint8_t *)answer, (uint32_t)n);
}

static void read_from(struct client *c)
{
    if (c->in_room < c->in_length + READ_BYTES) {
        c->in_room = c->in_length + READ_BYTES;
        c->in = realloc(c->in, c->in_room + 1);
    }
    ssize_t n = recv(c->fd, c->in + c->in_length, READ_BYTES, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        drop(c);
        return;
    }
    c->in_length += (uint32_t)n;
    if (!c->open)
        shake_hands(c);
    if (c->open && !c->dead)
        take_frames(c);
    if (c->in_length == 0) {
        free(c->in);
        c->in = NULL;
        c->in_room = 0;
    }
}

static void write_unsent(struct client *c)
{
    ssize_t n = send(c->fd, c->out, c->out_length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n <= 0)
        return;
    memmove(c->out, c->out + n, c->out_length - (uint32_t)n);
    c->out_length -= (uint32_t)n;
    if (c->out_length == 0) {
        watch(c, EPOLLIN, EPOLL_CTL_MOD);
        free(c->out);
        c->out = NULL;
        c->out_room = 0;
    }
}

static void welcome(int listener)
{
    int one = 1, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct client *c = calloc(1, sizeof *c);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        c->fd = fd;
        watch(c, EPOLLIN, EPOLL_CTL_ADD);
    }
}

static int listen_on(int port)
{
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (void *)&here, sizeof here) || listen(listener, 4096)) {
        perror("floor");
        exit(1);
    }
    return listener;
}

static void serve(int listener)
{
    struct epoll_event events[512];
    for (;;) {
        int n = epoll_wait(poller, events, 512, -1);
        for (int i = 0; i < n; i++) {
            struct client *c = events[i].data.ptr;
            if (c == NULL)
                welcome(listener);
            else if (!c->dead && events[i].events & EPOLLOUT && c->out_length)
                write_unsent(c);
            if (c && !c->dead && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                read_from(c);
        }
        while (talking_count) {
            talking[--talking_count]->talking = false;
            say(talking[talking_count]);
        }
        bury();
    }
}

int main(int count, char **arguments)
{
    coalescing = count > 2 && !strcmp(arguments[1], "-b");
    if (count != 2 + coalescing) {
        fprintf(stderr, "usage: floor [-b] PORT\n");
        return 2;
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    poller = epoll_create1(0);
    int listener = listen_on(atoi(arguments[count - 1]));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    printf("ready\n");
    fflush(stdout);
    serve(listener);
}
