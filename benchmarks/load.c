/*
 * load: many WebSocket connections in one thread, for measuring a server on this machine.
 *
 *     load HOST PORT PLAN [SERVER_PID]
 *
 * Decides how frames are sent, counted and timed, and nothing about what they say: every frame
 * comes ready-made in the file PLAN, written by plan.py. Commands come on standard input, one a
 * line; each is answered by one line of JSON on standard output:
 *
 *     server PID                            whose processor time is reported from now on
 *     open FROM COUNT INFLIGHT              shake hands and run the steps of these connections
 *     close FROM COUNT                      cut them
 *     stall FROM COUNT                      read nothing from them any more
 *     idle SECONDS                          only read
 *     saturate WINDOW READERS ACKS WARM SECONDS
 *                                           each poster has WINDOW posts outstanding
 *     rate POSTS READERS WARM SECONDS       POSTS a second, whatever becomes of them
 *     lone COUNT PAUSE_US                   one post at a time, acknowledged before the next
 *     audit                                 what was missed or came twice, by seq
 *     quit
 *
 * READERS is how many deliveries a post makes. A saturated post is outstanding until it is
 * acknowledged (when ACKS is 1) and, on the whole, delivered: a server that queues without bound
 * gains nothing. At a fixed rate latency counts from the moment at which the post was due, not from
 * when it left, so that a stall of the server is seen by all the posts that it delayed (no
 * coordinated omission). Latency of a delivery is read from the post's own body: "~TS~" and 16
 * hexadecimal digits of this process's monotonic clock.
 *
 * Invariant: nothing here waits for one connection while others have something to read.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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
#include <time.h>
#include <unistd.h>

#define MARK "~TS~"
#define MARK_LEN 20       /* with its digits */
#define EVENTS_MAX 512    /* of one epoll_wait */
#define WINDOW_MAX 4096   /* posts outstanding of one poster */
#define AUDITED_MAX 8192  /* events of one connection whose seq is remembered */
#define PATIENCE_S 120    /* for a set of connections to be served */
#define RETRY_S 0.1       /* between two attempts of one connection */
#define STALLED_RCVBUF 4096

enum { POSTER = 1, SMALL_BUFFER = 2, AUDITED = 4 }; /* flags of a connection; see plan.py */
enum state { CLOSED, HANDSHAKE, OPEN };
enum kind { EVENT, ACK, REPLY, PAGE, REFUSAL, OTHER };

struct bytes {
    uint32_t length, offset; /* offset: where "after" stands, in a step; 0: nowhere */
    uint8_t *data;
};

struct connection {
    int fd;
    enum state state;
    uint32_t group, flags, source;
    char *path;
    uint16_t steps, step;    /* how many, and which one is under way */
    struct bytes *frames;    /* of the steps: whole frames */
    struct bytes post;       /* of a poster: a whole frame; offset is that of its timestamp */
    uint32_t identity;       /* offset of its client id */
    bool stalled;
    double retry_at;
    uint8_t *held;           /* the beginning of a frame whose end has not come */
    uint32_t held_length, held_room;
    uint64_t *sent;          /* when the unacknowledged posts left or were due: a ring */
    uint32_t sent_head, sent_count;
    uint64_t first, last;    /* seq audited: the first, and the last heard live */
    uint64_t top, resumed;   /* the highest; and that of when the present steps began */
    uint8_t *seen;           /* a bit for each seq from the first on */
};

/* Logarithmic histogram of nanoseconds, 32 steps an octave: within 3 %. */
struct histogram {
    uint64_t count[64 * 32], total, greatest;
};

struct counters {
    uint64_t posts, acks, deliveries, refusals, reads, bytes, closed;
    double time, server, own, all;
};

static struct connection *connections;
static int connection_count, ready, failed, retries, poller, port, server_pid;
static const char *host;
static char subprotocol[64];
static struct counters seen;
static struct histogram delivery, acknowledgement;
static bool recording;
static uint64_t serial, overlaps, doubles, unfinished;
static char first_refusal[160];
static int last_close;
static int posters[1 << 16], poster_count, next_poster;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double now_s(void) { return (double)now_ns() / 1e9; }

static void *must(void *memory)
{
    if (memory == NULL) {
        perror("load: memory");
        exit(1);
    }
    return memory;
}

/* -- histograms ---------------------------------------------------------------------------- */

static void record(struct histogram *h, uint64_t value)
{
    int octave = value < 64 ? 0 : 63 - __builtin_clzll(value) - 5;
    int slot = value < 64 ? (int)value : octave * 32 + 32 + (int)((value >> octave) & 31);
    h->count[slot]++;
    h->total++;
    if (value > h->greatest)
        h->greatest = value;
}

static double slot_value(int slot)
{
    if (slot < 64)
        return slot;
    int octave = slot / 32 - 1;
    return (double)((uint64_t)(32 + slot % 32) << octave) * (1 + 1.0 / 64);
}

/* Return a quantile in microseconds. */
static double quantile(const struct histogram *h, double part)
{
    uint64_t wanted = (uint64_t)((double)h->total * part), passed = 0;
    for (int slot = 0; slot < 64 * 32 && h->total; slot++)
        if ((passed += h->count[slot]) > wanted)
            return slot_value(slot) / 1e3;
    return 0;
}

/* -- what the machine did ------------------------------------------------------------------ */

/* Return the processor seconds of a process, all threads: nanoseconds where the kernel has them. */
static double processor_s(int pid)
{
    char name[300];
    double sum = 0;
    snprintf(name, sizeof name, "/proc/%d/task", pid);
    DIR *tasks = pid ? opendir(name) : NULL;
    if (tasks == NULL)
        return 0;
    for (struct dirent *task; (task = readdir(tasks));) {
        unsigned long long ns = 0;
        snprintf(name, sizeof name, "/proc/%d/task/%.20s/schedstat", pid, task->d_name);
        FILE *file = task->d_name[0] == '.' ? NULL : fopen(name, "r");
        if (file == NULL)
            continue;
        if (fscanf(file, "%llu", &ns) == 1)
            sum += (double)ns / 1e9;
        fclose(file);
    }
    closedir(tasks);
    return sum;
}

/* Return the busy seconds of all processors. */
static double busy_s(void)
{
    unsigned long long user = 0, nice = 0, system = 0, idle, wait, irq = 0, soft = 0;
    FILE *file = fopen("/proc/stat", "r");
    if (file == NULL)
        return 0;
    if (fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &wait,
               &irq, &soft) != 7)
        user = nice = system = irq = soft = 0;
    fclose(file);
    return (double)(user + nice + system + irq + soft) / (double)sysconf(_SC_CLK_TCK);
}

static struct counters look(void)
{
    struct counters at = seen;
    at.time = now_s();
    at.server = processor_s(server_pid);
    at.own = processor_s(getpid());
    at.all = busy_s();
    return at;
}

/* -- the plan ------------------------------------------------------------------------------ */

static const uint8_t *cursor, *plan_end;

static const uint8_t *take(size_t length)
{
    if ((size_t)(plan_end - cursor) < length) {
        fprintf(stderr, "load: the plan is cut short\n");
        exit(1);
    }
    cursor += length;
    return cursor - length;
}

static uint32_t take_u32(void)
{
    uint32_t value;
    memcpy(&value, take(4), 4);
    return value;
}

/* Return a payload as one masked binary frame. The mask is zero: legal on this machine's own
   loopback, no cheaper for the server, and the frame can be changed in place. */
static struct bytes take_frame(void)
{
    uint32_t length = take_u32(), offset = take_u32(), head = length < 126 ? 6 : 8;
    struct bytes made = {.length = head + length, .offset = offset ? head + offset : 0};
    if (length > 65535) {
        fprintf(stderr, "load: a frame of the plan is too long\n");
        exit(1);
    }
    made.data = must(calloc(1, made.length));
    made.data[0] = 0x82;
    made.data[1] = (uint8_t)(0x80 | (length < 126 ? length : 126));
    if (length >= 126) {
        made.data[2] = (uint8_t)(length >> 8);
        made.data[3] = (uint8_t)length;
    }
    memcpy(made.data + head, take(length), length);
    return made;
}

static char *take_text(void)
{
    uint32_t length = take_u32();
    char *text = must(calloc(1, length + 1));
    memcpy(text, take(length), length);
    return text;
}

static void take_connection(struct connection *c)
{
    c->fd = -1;
    c->group = take_u32();
    c->flags = take_u32();
    c->source = take_u32();
    c->path = take_text();
    c->steps = (uint16_t)take_u32();
    c->frames = must(calloc(c->steps + 1u, sizeof *c->frames));
    for (int i = 0; i < c->steps; i++)
        c->frames[i] = take_frame();
    if (c->flags & POSTER) {
        c->post = take_frame();
        uint32_t head = c->post.length - take_u32(); /* the payload's length again */
        c->identity = take_u32();
        c->identity += c->identity ? head : 0;
        c->post.offset = c->post.offset ? c->post.offset : head;
        c->sent = must(calloc(WINDOW_MAX, sizeof *c->sent));
    }
}

static void read_plan(const char *name)
{
    FILE *file = fopen(name, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END)) {
        perror("load: plan");
        exit(1);
    }
    long size = ftell(file);
    uint8_t *data = must(malloc((size_t)size + 1));
    rewind(file);
    if (fread(data, 1, (size_t)size, file) != (size_t)size) {
        perror("load: plan");
        exit(1);
    }
    fclose(file);
    cursor = data;
    plan_end = data + size;
    char *offered = take_text();
    snprintf(subprotocol, sizeof subprotocol, "%s", offered);
    free(offered);
    connection_count = (int)take_u32();
    connections = must(calloc((size_t)connection_count, sizeof *connections));
    for (int i = 0; i < connection_count; i++)
        take_connection(&connections[i]);
    free(data);
}

/* -- connections --------------------------------------------------------------------------- */

static void let_go(struct connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    free(c->held);
    c->fd = -1;
    c->state = CLOSED;
    c->held = NULL;
    c->held_length = c->held_room = c->sent_head = c->sent_count = 0;
    c->step = 0;
}

static void lose(struct connection *c)
{
    if (c->state == OPEN && c->step >= c->steps) {
        seen.closed++;
        ready--;
    }
    let_go(c);
    c->retry_at = now_s() + RETRY_S;
}

static bool write_all(struct connection *c, const uint8_t *data, size_t length)
{
    while (length) {
        ssize_t n = send(c->fd, data, length, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            usleep(100); /* the server does not read: rare, and it is what is being measured */
            continue;
        }
        if (n < 0) {
            lose(c);
            return false;
        }
        data += n;
        length -= (size_t)n;
    }
    return true;
}

/* Begin a connection; the answer is seen by take_handshake. */
static void begin(struct connection *c)
{
    int one = 1, small = STALLED_RCVBUF;
    struct linger reset = {1, 0};
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(c->source)};
    char request[1024], offer[128] = "";
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0) {
        perror("load: socket");
        exit(1);
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (c->flags & SMALL_BUFFER)
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    inet_pton(AF_INET, host, &there.sin_addr);
    c->state = HANDSHAKE;
    if ((c->source && bind(c->fd, (void *)&here, sizeof here)) ||
        connect(c->fd, (void *)&there, sizeof there)) {
        lose(c);
        return;
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    if (*subprotocol)
        snprintf(offer, sizeof offer, "Sec-WebSocket-Protocol: %s\r\n", subprotocol);
    int n = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                     "Sec-WebSocket-Version: 13\r\n%s\r\n",
                     c->path, host, port, offer);
    struct epoll_event wish = {.events = EPOLLIN, .data.u32 = (uint32_t)(c - connections)};
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &wish);
    write_all(c, (uint8_t *)request, (size_t)n);
}

/* Send the next step, with the last seq that this connection holds where it says so. */
static void continue_steps(struct connection *c)
{
    if (c->step >= c->steps) {
        ready++;
        return;
    }
    struct bytes *frame = &c->frames[c->step];
    if (c->step == 0)
        c->resumed = c->top; /* live events may raise the top before the last step is sent */
    if (frame->offset)
        for (int i = 0; i < 4; i++)
            frame->data[frame->offset + (uint32_t)i] = (uint8_t)(c->resumed >> (24 - 8 * i));
    write_all(c, frame->data, frame->length);
}

/* -- what comes ---------------------------------------------------------------------------- */

static bool is(const uint8_t *text, size_t length, const char *word)
{
    return strlen(word) == length && !memcmp(text, word, length);
}

/* Say what a payload is by its "type", which both encodings put first. */
static enum kind classify(const uint8_t *p, size_t length)
{
    const uint8_t *type;
    size_t size;
    if (length > 7 && (p[0] & 0xf0) == 0x80 && !memcmp(p + 1, "\xa4type", 5)) {
        type = p + 7;
        size = p[6] & 31;
    } else if (length > 10 && !memcmp(p, "{\"type\":\"", 9)) {
        const uint8_t *quote = memchr(p + 9, '"', length - 9);
        type = p + 9;
        size = quote ? (size_t)(quote - type) : 0;
    } else {
        return EVENT; /* a floor: what was posted comes back as it was */
    }
    if (size > length - (size_t)(type - p))
        return OTHER;
    if (is(type, size, "message_posted"))
        return EVENT;
    if (is(type, size, "posted"))
        return ACK;
    if (is(type, size, "page"))
        return PAGE;
    if (is(type, size, "error"))
        return REFUSAL;
    if (is(type, size, "welcome") || is(type, size, "subscribed") || is(type, size, "done"))
        return REPLY;
    return OTHER;
}

static uint64_t hexadecimal(const uint8_t *digits)
{
    uint64_t value = 0;
    for (int i = 0; i < 16; i++)
        value = value << 4 | (uint64_t)(digits[i] <= '9' ? digits[i] - '0' : digits[i] - 'a' + 10);
    return value;
}

static void put_hexadecimal(uint8_t *digits, uint64_t value)
{
    for (int i = 15; i >= 0; i--, value >>= 4)
        digits[i] = (uint8_t)"0123456789abcdef"[value & 15];
}

/* Return the number that MessagePack holds at p, of at most four bytes. */
static uint64_t small_number(const uint8_t *p, const uint8_t *end)
{
    int width = p < end ? (*p == 0xcc ? 1 : *p == 0xcd ? 2 : *p == 0xce ? 4 : 0) : 0;
    uint64_t value = width || p >= end ? 0 : *p;
    for (int i = 1; i <= width && p + i < end; i++)
        value = value << 8 | p[i];
    return value;
}

/* Remember one seq of an audited connection. */
static void note(struct connection *c, uint64_t seq, bool live)
{
    if (c->seen == NULL) {
        c->seen = must(calloc(AUDITED_MAX / 8, 1));
        c->first = seq;
    }
    if (live && seq <= c->last)
        doubles++;
    if (live)
        c->last = seq;
    if (seq > c->top)
        c->top = seq;
    uint64_t place = seq - c->first;
    if (seq < c->first || place >= AUDITED_MAX)
        return;
    if (c->seen[place / 8] >> (place % 8) & 1)
        overlaps++;
    c->seen[place / 8] |= (uint8_t)(1 << (place % 8));
}

/* Note every event of a frame: one, or those of a page. */
static void audit_frame(struct connection *c, const uint8_t *p, size_t length, bool live)
{
    const uint8_t *end = p + length, *at = p;
    while ((at = memmem(at, (size_t)(end - at), "\xa3seq", 4)) != NULL) {
        at += 4;
        note(c, small_number(at, end), live);
    }
    const uint8_t *more = live ? NULL : memmem(p, length, "\xa4more", 5);
    if (more && more + 5 < end && more[5] != 0xc2)
        unfinished++;
}

static void take_event(struct connection *c, const uint8_t *p, size_t length, uint64_t at)
{
    static size_t guess; /* where the mark was last time: nearly always where it is */
    const uint8_t *mark = NULL;
    if (guess + MARK_LEN <= length && !memcmp(p + guess, MARK, 4))
        mark = p + guess;
    else if (length >= MARK_LEN)
        mark = memmem(p, length - MARK_LEN + 4, MARK, 4);
    if (c->flags & AUDITED)
        audit_frame(c, p, length, true);
    if (mark == NULL)
        return;
    guess = (size_t)(mark - p);
    seen.deliveries++;
    if (recording) {
        uint64_t left = hexadecimal(mark + 4);
        record(&delivery, at > left ? at - left : 0);
    }
}

static void take_ack(struct connection *c, uint64_t at, bool accepted)
{
    if (c->sent_count == 0)
        return;
    uint64_t left = c->sent[c->sent_head];
    c->sent_head = (c->sent_head + 1) % WINDOW_MAX;
    c->sent_count--;
    seen.acks++;
    if (accepted && recording)
        record(&acknowledgement, at > left ? at - left : 0);
}

static void take_refusal(struct connection *c, const uint8_t *p, size_t length, uint64_t at)
{
    seen.refusals++;
    if (!*first_refusal)
        for (size_t i = 0; i < length && i < sizeof first_refusal - 1; i++)
            first_refusal[i] = (char)(isalnum(p[i]) || p[i] == '_' ? p[i] : ' ');
    if (c->step < c->steps) {
        failed++;
        lose(c);
    } else {
        take_ack(c, at, false);
    }
}

static void take_message(struct connection *c, const uint8_t *p, size_t length, uint64_t at)
{
    enum kind kind = classify(p, length);
    if (kind == EVENT) {
        take_event(c, p, length, at);
    } else if (kind == ACK) {
        take_ack(c, at, true);
    } else if (kind == REFUSAL) {
        take_refusal(c, p, length, at);
    } else if ((kind == REPLY || kind == PAGE) && c->step < c->steps) {
        if (kind == PAGE && c->flags & AUDITED && c->resumed)
            audit_frame(c, p, length, false);
        c->step++;
        continue_steps(c);
    }
}

static void answer_ping(struct connection *c, const uint8_t *p, size_t length)
{
    uint8_t pong[6 + 125] = {0x8a, (uint8_t)(0x80 | length)};
    if (length <= 125) {
        memcpy(pong + 6, p, length);
        write_all(c, pong, 6 + length);
    }
}

/* Take the whole frames at p; return how many bytes they were. */
static size_t take_frames(struct connection *c, const uint8_t *p, size_t length, uint64_t at)
{
    size_t done = 0;
    while (length - done >= 2 && c->state == OPEN) {
        const uint8_t *f = p + done;
        size_t head = 2, size = f[1] & 127;
        if (size == 126) {
            head = 4;
            size = length - done < 4 ? SIZE_MAX / 2 : (size_t)f[2] << 8 | f[3];
        } else if (size == 127) {
            head = 10;
            size = length - done < 10 ? SIZE_MAX / 2 : 0;
            for (int i = 2; i < 10 && size < SIZE_MAX / 2; i++)
                size = size << 8 | f[i];
        }
        if (length - done < head + size)
            break;
        done += head + size;
        int opcode = f[0] & 15;
        if (opcode < 3) {
            take_message(c, f + head, size, at);
        } else if (opcode == 9) {
            answer_ping(c, f + head, size);
        } else if (opcode == 8) {
            last_close = size >= 2 ? f[head] << 8 | f[head + 1] : 1005;
            lose(c);
        }
    }
    return done;
}

static void hold(struct connection *c, const uint8_t *data, size_t length)
{
    if (c->held_length + length > c->held_room) {
        c->held_room = (uint32_t)(c->held_length + length + 256);
        c->held = must(realloc(c->held, c->held_room));
    }
    memmove(c->held + c->held_length, data, length);
    c->held_length += (uint32_t)length;
}

/* Take frames from what was held and what was read; hold what is not whole. */
static void take_read(struct connection *c, const uint8_t *data, size_t length, uint64_t at)
{
    if (c->held_length) {
        hold(c, data, length);
        size_t done = take_frames(c, c->held, c->held_length, at);
        if (c->state == OPEN && done) {
            c->held_length -= (uint32_t)done;
            memmove(c->held, c->held + done, c->held_length);
        }
        return;
    }
    size_t done = take_frames(c, data, length, at);
    if (c->state == OPEN && done < length)
        hold(c, data + done, length - done);
}

static void take_handshake(struct connection *c, const uint8_t *data, size_t length, uint64_t at)
{
    hold(c, data, length);
    const uint8_t *end = memmem(c->held, c->held_length, "\r\n\r\n", 4);
    if (end == NULL)
        return;
    if (c->held_length < 12 || memcmp(c->held, "HTTP/1.1 101", 12)) {
        if (!*first_refusal)
            snprintf(first_refusal, 13, "%s", (char *)c->held);
        failed++;
        lose(c);
        return;
    }
    uint8_t *answer = c->held;
    size_t rest = c->held_length - (size_t)(end + 4 - answer);
    c->held = NULL;
    c->held_length = c->held_room = 0;
    c->state = OPEN;
    continue_steps(c);
    if (rest && c->state == OPEN)
        take_read(c, end + 4, rest, at);
    free(answer);
}

static void read_from(struct connection *c)
{
    static uint8_t data[1 << 18];
    ssize_t n = recv(c->fd, data, sizeof data, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        lose(c);
        return;
    }
    seen.reads++;
    seen.bytes += (uint64_t)n;
    if (c->state == HANDSHAKE)
        take_handshake(c, data, (size_t)n, now_ns());
    else
        take_read(c, data, (size_t)n, now_ns());
}

/* Read whatever is there, waiting for it at most so many milliseconds. */
static void pump(int milliseconds)
{
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(poller, events, EVENTS_MAX, milliseconds);
    for (int i = 0; i < n; i++) {
        struct connection *c = &connections[events[i].data.u32];
        if (c->state != CLOSED && !c->stalled)
            read_from(c);
    }
}

/* Read until a moment: asleep while it is far, awake for the last millisecond, for precision. */
static void pump_until(uint64_t moment)
{
    for (uint64_t now; (now = now_ns()) < moment;)
        pump(moment - now > 2000000 ? (int)((moment - now) / 1000000) - 1 : 0);
}

/* -- posting ------------------------------------------------------------------------------- */

static bool post(struct connection *c, uint64_t due)
{
    if (c->state != OPEN || c->sent_count == WINDOW_MAX)
        return false;
    memcpy(c->post.data + c->post.offset, MARK, 4);
    put_hexadecimal(c->post.data + c->post.offset + 4, due);
    if (c->identity)
        put_hexadecimal(c->post.data + c->identity, serial++);
    c->sent[(c->sent_head + c->sent_count++) % WINDOW_MAX] = due;
    if (!write_all(c, c->post.data, c->post.length))
        return false;
    seen.posts++;
    return true;
}

static void start_recording(void)
{
    memset(&delivery, 0, sizeof delivery);
    memset(&acknowledgement, 0, sizeof acknowledgement);
    recording = true;
}

/* Forget what is outstanding; a floor never acknowledges. */
static void forget_outstanding(void)
{
    for (int i = 0; i < poster_count; i++)
        connections[posters[i]].sent_count = 0;
}

/* Return how many deliveries are still to come, after waiting for them for a while. */
static int64_t drain(struct counters begun, uint64_t readers, double patience_s)
{
    double until = now_s() + patience_s;
    int64_t owed;
    while ((owed = (int64_t)((seen.posts - begun.posts) * readers) -
                   (int64_t)(seen.deliveries - begun.deliveries)) > 0 &&
           now_s() < until)
        pump(10);
    forget_outstanding();
    recording = false;
    return owed;
}

static void report(struct counters a, struct counters b, int64_t owed)
{
    double span = b.time - a.time, per = (double)(b.deliveries - a.deliveries);
    double server = b.server - a.server, own = b.own - a.own;
    printf("{\"seconds\":%.4f,\"posts\":%lu,\"acks\":%lu,\"deliveries\":%lu,\"refusals\":%lu,"
           "\"closed\":%lu,\"owed\":%ld,\"server_cpu\":%.4f,\"own_cpu\":%.4f,\"foreign_cpu\":%.4f,"
           "\"cpu_us_per_delivery\":%.4f,\"frames_per_read\":%.3f,\"megabytes\":%.2f,"
           "\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f,"
           "\"ack_p50_us\":%.1f,\"ack_p90_us\":%.1f,\"ack_p99_us\":%.1f,\"ack_max_us\":%.1f,"
           "\"first_refusal\":\"%s\"}\n",
           span, b.posts - a.posts, b.acks - a.acks, b.deliveries - a.deliveries,
           b.refusals - a.refusals, b.closed - a.closed, (long)owed, server / span, own / span,
           (b.all - a.all - server - own) / span, per > 0 ? server / per * 1e6 : 0,
           per / (double)(b.reads - a.reads + 1), (double)(b.bytes - a.bytes) / 1e6,
           quantile(&delivery, .5), quantile(&delivery, .9), quantile(&delivery, .99),
           quantile(&delivery, .999), (double)delivery.greatest / 1e3,
           quantile(&acknowledgement, .5), quantile(&acknowledgement, .9),
           quantile(&acknowledgement, .99), (double)acknowledgement.greatest / 1e3, first_refusal);
}

static void saturate(uint32_t window, uint64_t readers, bool acks, double warm, double span)
{
    struct counters begun = look(), from = begun;
    uint64_t start = now_ns() + (uint64_t)(warm * 1e9), end = start + (uint64_t)(span * 1e9);
    bool measured = false;
    window = window < WINDOW_MAX ? window : WINDOW_MAX - 1;
    for (uint64_t now; (now = now_ns()) < end;) {
        if (!measured && now >= start) {
            measured = true;
            start_recording();
            from = look();
        }
        uint64_t posted = seen.posts - begun.posts;
        uint64_t told = readers ? (seen.deliveries - begun.deliveries) / readers : posted;
        uint64_t room = (uint64_t)window * (uint64_t)poster_count;
        room = posted - told < room ? room - (posted - told) : 0;
        for (int i = 0; i < poster_count && room; i++) {
            struct connection *c = &connections[posters[(next_poster + i) % poster_count]];
            while (room && (!acks || c->sent_count < window)) {
                if (!acks)
                    c->sent_count = 0;
                if (!post(c, now))
                    break;
                room--;
                if (!acks)
                    break; /* in turn: there is nothing else to share the room by */
            }
        }
        next_poster++;
        pump(room && !acks ? 0 : 20);
    }
    struct counters to = look();
    int64_t owed = drain(begun, readers, 5);
    report(from, to, owed);
}

static void at_rate(double posts_a_second, uint64_t readers, double warm, double span)
{
    struct counters begun = look(), from = begun;
    uint64_t step = (uint64_t)(1e9 / posts_a_second), due = now_ns() + 1000000;
    uint64_t start = due + (uint64_t)(warm * 1e9), end = start + (uint64_t)(span * 1e9);
    bool measured = false;
    while (due < end && now_ns() < end + 5000000000u) {
        pump_until(due);
        if (!measured && due >= start) {
            measured = true;
            start_recording();
            from = look();
        }
        struct connection *c = &connections[posters[next_poster++ % poster_count]];
        post(c, due);
        due += step;
        pump(0);
    }
    struct counters to = look();
    report(from, to, drain(begun, readers, 5));
}

static void lone(int count, double pause_us)
{
    struct counters begun = look();
    start_recording();
    struct connection *c = &connections[posters[0]];
    for (int i = 0; i < count && c->state == OPEN; i++) {
        uint64_t acks = seen.acks, limit = now_ns() + 5000000000u;
        post(c, now_ns());
        while (seen.acks == acks && now_ns() < limit && c->state == OPEN)
            pump(100);
        pump_until(now_ns() + (uint64_t)(pause_us * 1e3));
    }
    struct counters to = look();
    recording = false;
    report(begun, to, 0);
}

/* -- sets of connections ------------------------------------------------------------------- */

static int pending(int from, int to)
{
    int busy = 0;
    for (int i = from; i < to; i++)
        busy += connections[i].state != CLOSED && connections[i].step < connections[i].steps;
    return busy;
}

/* Open what is closed, INFLIGHT at a time, trying again until all are ready. */
static void open_all(int from, int count, int inflight)
{
    struct counters a = look();
    int to = from + count < connection_count ? from + count : connection_count;
    int base = ready, next = from, attempts = 0;
    double until = a.time + PATIENCE_S;
    failed = 0;
    while (ready - base < to - from && now_s() < until) {
        int busy = pending(from, to), tried = 0;
        for (int i = from; i < to; i++)
            busy += connections[i].state == HANDSHAKE && connections[i].steps == 0;
        for (; busy < inflight && tried < to - from; tried++) {
            struct connection *c = &connections[next];
            next = next + 1 < to ? next + 1 : from;
            if (c->state != CLOSED || now_s() < c->retry_at)
                continue;
            begin(c);
            attempts++;
            busy++;
        }
        for (int i = 0; i < 8 && ready - base < to - from; i++)
            pump(5);
    }
    struct counters b = look();
    retries += attempts - (to - from);
    printf("{\"ready\":%d,\"attempts\":%d,\"failed\":%d,\"seconds\":%.4f,\"server_cpu_s\":%.4f,"
           "\"own_cpu_s\":%.4f,\"foreign_cpu\":%.4f,\"first_refusal\":\"%s\"}\n",
           ready - base, attempts, failed, b.time - a.time, b.server - a.server, b.own - a.own,
           (b.all - a.all - (b.server - a.server) - (b.own - a.own)) / (b.time - a.time),
           first_refusal);
}

static void close_all(int from, int count)
{
    for (int i = from; i < from + count && i < connection_count; i++) {
        struct connection *c = &connections[i];
        ready -= c->state == OPEN && c->step >= c->steps;
        let_go(c);
        c->retry_at = 0;
        c->stalled = false;
    }
    printf("{\"ready\":%d}\n", ready);
}

static void stall_all(int from, int count)
{
    for (int i = from; i < from + count && i < connection_count; i++) {
        connections[i].stalled = true;
        if (connections[i].fd >= 0)
            epoll_ctl(poller, EPOLL_CTL_DEL, connections[i].fd, NULL);
    }
    printf("{\"stalled\":%d}\n", count);
}

static void idle(double span)
{
    struct counters a = look();
    pump_until(now_ns() + (uint64_t)(span * 1e9));
    struct counters b = look();
    report(a, b, 0);
}

/* Return how many seq between low and high this connection never held. */
static uint64_t missed(const struct connection *c, uint64_t low, uint64_t high)
{
    uint64_t count = 0;
    for (uint64_t seq = low; seq <= high; seq++) {
        uint64_t place = seq - c->first;
        bool there = c->seen && seq >= c->first && place < AUDITED_MAX;
        count += !(there && c->seen[place / 8] >> (place % 8) & 1);
    }
    return count;
}

/* Compare every audited connection with all that anybody heard in its group. */
static void audit(void)
{
    uint64_t missing = 0, audited = 0, groups = 0, events = 0;
    for (int i = 0; i < connection_count; i++)
        groups = connections[i].group >= groups ? connections[i].group + 1u : groups;
    uint64_t *high = must(calloc(groups + 1, sizeof *high));
    uint64_t *low = must(calloc(groups + 1, sizeof *low));
    for (int i = 0; i < connection_count; i++) {
        struct connection *c = &connections[i];
        if (c->seen && (low[c->group] == 0 || c->first < low[c->group]))
            low[c->group] = c->first;
        if (c->top > high[c->group])
            high[c->group] = c->top;
    }
    for (int i = 0; i < connection_count; i++) {
        struct connection *c = &connections[i];
        if (!(c->flags & AUDITED) || low[c->group] == 0)
            continue;
        audited++;
        events += high[c->group] - low[c->group] + 1;
        missing += missed(c, low[c->group], high[c->group]);
    }
    free(high);
    free(low);
    printf("{\"connections\":%lu,\"events\":%lu,\"missing\":%lu,\"doubles\":%lu,"
           "\"overlaps\":%lu,\"unfinished\":%lu,\"closed\":%lu,\"last_close\":%d}\n",
           audited, events, missing, doubles, overlaps, unfinished, seen.closed, last_close);
}

/* -- commands ------------------------------------------------------------------------------ */

static bool obey(char *line)
{
    char word[16] = "";
    double v[5] = {0};
    sscanf(line, "%15s %lf %lf %lf %lf %lf", word, &v[0], &v[1], &v[2], &v[3], &v[4]);
    *first_refusal = 0;
    bool posts = !strcmp(word, "saturate") || !strcmp(word, "rate") || !strcmp(word, "lone");
    if (posts && poster_count == 0)
        printf("{\"error\":\"nobody posts in this plan\"}\n");
    else if (!strcmp(word, "server"))
        printf("{\"server\":%d}\n", server_pid = (int)v[0]);
    else if (!strcmp(word, "open"))
        open_all((int)v[0], (int)v[1], (int)v[2]);
    else if (!strcmp(word, "close"))
        close_all((int)v[0], (int)v[1]);
    else if (!strcmp(word, "stall"))
        stall_all((int)v[0], (int)v[1]);
    else if (!strcmp(word, "idle"))
        idle(v[0]);
    else if (!strcmp(word, "saturate"))
        saturate((uint32_t)v[0], (uint64_t)v[1], v[2] != 0, v[3], v[4]);
    else if (!strcmp(word, "rate"))
        at_rate(v[0], (uint64_t)v[1], v[2], v[3]);
    else if (!strcmp(word, "lone"))
        lone((int)v[0], v[1]);
    else if (!strcmp(word, "audit"))
        audit();
    else if (!strcmp(word, "quit"))
        return false;
    else
        printf("{\"error\":\"unknown command\"}\n");
    fflush(stdout);
    return true;
}

int main(int count, char **arguments)
{
    char line[256];
    if (count < 4) {
        fprintf(stderr, "usage: load HOST PORT PLAN [SERVER_PID]\n");
        return 2;
    }
    host = arguments[1];
    port = atoi(arguments[2]);
    server_pid = count > 4 ? atoi(arguments[4]) : 0;
    read_plan(arguments[3]);
    for (int i = 0; i < connection_count; i++)
        if (connections[i].flags & POSTER && poster_count < 1 << 16)
            posters[poster_count++] = i;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    serial = now_ns();
    poller = epoll_create1(0);
    printf("{\"connections\":%d,\"posters\":%d}\n", connection_count, poster_count);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) && obey(line))
        ;
    return 0;
}
