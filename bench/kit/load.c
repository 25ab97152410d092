/* load: drives one gateway in a closed loop, and believes no answer that it has not checked. One thread, epoll.
 *
 *     load -p PORT -b BODY_FILE [-c CONNECTIONS] [-d SECONDS] [-w WARMUP_S] [-g GRACE_S] [-r RAMP_MS]
 *          [-H "Name: value"]... [-L BODY_BYTES] [-E EVENTS]
 *
 * Each connection posts the body, reads the whole answer, checks it and posts again. An answer counts if its status is
 * 200, it came to its end, its body has BODY_BYTES (0: any length) and, where EVENTS is given, it holds exactly so many
 * "data:" lines of which the last is [DONE]. All others are counted apart, by what was wrong with them.
 *
 * The window opens after WARMUP_S and lasts SECONDS; then nothing new is sent, and what is under way has GRACE_S to end.
 * RAMP_MS spreads the first requests over that time. One line of JSON is printed: rates and latencies are those of the
 * window, the totals are of the whole run (what CPU time is to be divided by).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_BYTES = 16384, READ_BYTES = 262144, LINE_BYTES = 12, MAX_SAMPLES = 50000000 };
enum stage { HEAD, COUNTED, TO_CLOSE, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER, WHOLE };
enum wrong { RIGHT, BAD_STATUS, BAD_LENGTH, BAD_EVENTS, BAD_END, BROKEN, WRONGS };

typedef struct {
    enum stage stage;
    char head[HEAD_BYTES];
    size_t head_length;
    int status, closes;
    uint64_t left, body_bytes;
    size_t line_length; /* of the line being read: a chunk's size, a trailer */
    char line[LINE_BYTES]; /* the start of the body's current line */
    size_t line_kept, body_line_length;
    int events, done_is_last;
} answer;

typedef struct {
    int fd, connecting, waiting;
    uint32_t watched;
    size_t sent;
    int64_t started, first, piece;
    answer a;
} client;

typedef struct {
    int64_t *values;
    size_t count, room;
} samples;

static int port, client_count = 1, expected_events, poll_fd;
static uint64_t expected_bytes;
static double window_s = 2, warmup_s = 0, grace_s = 3, ramp_ms = 0;
static char *request;
static size_t request_length;
static client *clients;
static int64_t window_opens, window_closes;
static samples latencies, firsts, gaps;
static uint64_t answers_in_window, answers_total, events_total, wrongs[WRONGS];

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void note(samples *s, int64_t value) {
    if (s->count == MAX_SAMPLES) return;
    if (s->count == s->room) {
        s->room = s->room ? s->room * 2 : 65536;
        s->values = realloc(s->values, s->room * sizeof *s->values);
    }
    s->values[s->count++] = value;
}

/* -- reading an answer ---------------------------------------------------------------------------------------------- */

static void end_line(answer *a) {
    if (a->line_kept >= 5 && !memcmp(a->line, "data:", 5)) {
        a->events++;
        a->done_is_last = a->body_line_length - (a->line[a->line_kept - 1] == '\r') >= 11 &&
                          (!memcmp(a->line, "data: [DONE]", 12) || !memcmp(a->line, "data:[DONE]", 11));
    }
    a->line_kept = a->body_line_length = 0;
    memset(a->line, 0, sizeof a->line);
}

static void scan_lines(answer *a, const char *bytes, size_t length) {
    while (length) {
        const char *end = memchr(bytes, '\n', length);
        size_t taken = end ? (size_t)(end - bytes) : length;
        size_t kept = taken < LINE_BYTES - a->line_kept ? taken : LINE_BYTES - a->line_kept;
        memcpy(a->line + a->line_kept, bytes, kept);
        a->line_kept += kept;
        a->body_line_length += taken;
        if (!end) return;
        end_line(a);
        bytes = end + 1;
        length -= taken + 1;
    }
}

static void take_body(answer *a, const char *bytes, size_t length) {
    a->body_bytes += length;
    if (expected_events) scan_lines(a, bytes, length);
}

static const char *header(const char *head, const char *name) {
    const char *found = strcasestr(head, name);
    return found ? found + strlen(name) : NULL;
}

/* Takes bytes of the head; returns how many, or -1 where there is no end to it. */
static ssize_t take_head(answer *a, const char *bytes, size_t length) {
    size_t before = a->head_length, room = HEAD_BYTES - 1 - before, taken = length < room ? length : room;
    memcpy(a->head + before, bytes, taken);
    a->head_length += taken;
    a->head[a->head_length] = 0;
    char *end = strstr(a->head, "\r\n\r\n");
    if (!end) return a->head_length == HEAD_BYTES - 1 ? -1 : (ssize_t)taken;
    end[2] = 0;
    const char *size = header(a->head, "\r\ncontent-length:");
    const char *connection = header(a->head, "\r\nconnection: ");
    int chunked = header(a->head, "\r\ntransfer-encoding: chunked") != NULL;
    a->status = atoi(a->head + 9);
    a->closes = connection && !strncasecmp(connection, "close", 5);
    a->left = size ? strtoull(size, NULL, 10) : 0;
    a->stage = chunked ? CHUNK_SIZE : !size ? TO_CLOSE : a->left ? COUNTED : WHOLE;
    return end + 4 - a->head - before;
}

/* Takes one byte of a chunk's size, of the line end behind a chunk, or of the trailer. */
static void take_frame_byte(answer *a, char byte) {
    if (a->stage == CHUNK_SIZE && byte != '\n') {
        if (byte >= '0' && byte <= '9') a->left = a->left * 16 + (byte - '0');
        else if ((byte | 32) >= 'a' && (byte | 32) <= 'f') a->left = a->left * 16 + ((byte | 32) - 'a' + 10);
    } else if (a->stage == CHUNK_SIZE) {
        a->stage = a->left ? CHUNK_DATA : TRAILER;
        a->line_length = 0;
    } else if (a->stage == CHUNK_END && byte == '\n') {
        a->stage = CHUNK_SIZE;
    } else if (a->stage == TRAILER && byte == '\n') {
        if (!a->line_length) a->stage = WHOLE;
        a->line_length = 0;
    } else if (a->stage == TRAILER && byte != '\r') {
        a->line_length++;
    }
}

/* Takes what was read; returns -1 where it is no HTTP. What follows a whole answer is one thing too many. */
static int take(answer *a, const char *bytes, size_t length) {
    while (length) {
        size_t used = 1;
        if (a->stage == WHOLE) return -1;
        if (a->stage == HEAD) {
            ssize_t taken = take_head(a, bytes, length);
            if (taken < 0) return -1;
            used = taken;
        } else if (a->stage == COUNTED || a->stage == CHUNK_DATA || a->stage == TO_CLOSE) {
            used = a->stage == TO_CLOSE || length < a->left ? length : a->left;
            take_body(a, bytes, used);
            if (a->stage != TO_CLOSE && !(a->left -= used)) a->stage = a->stage == COUNTED ? WHOLE : CHUNK_END;
        } else {
            take_frame_byte(a, *bytes);
        }
        bytes += used;
        length -= used;
    }
    return 0;
}

static enum wrong judge(const answer *a) {
    if (a->status != 200) return BAD_STATUS;
    if (expected_events && a->events != expected_events) return BAD_EVENTS;
    if (expected_events && !a->done_is_last) return BAD_END;
    if (expected_bytes && a->body_bytes != expected_bytes) return BAD_LENGTH;
    return RIGHT;
}

/* -- a client's round ----------------------------------------------------------------------------------------------- */

static void watch(client *c, int operation, uint32_t events) {
    struct epoll_event interest = {.events = events, .data.ptr = c};
    c->watched = events;
    epoll_ctl(poll_fd, operation, c->fd, &interest);
}

static void dial(client *c) {
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, (void *)&address, sizeof address) && errno != EINPROGRESS) usleep(1000);
    c->connecting = 1;
    watch(c, EPOLL_CTL_ADD, EPOLLOUT);
}

static void hang_up(client *c) {
    close(c->fd);
    c->fd = -1;
    c->waiting = 0;
}

static void transmit(client *c) {
    ssize_t sent = send(c->fd, request + c->sent, request_length - c->sent, MSG_NOSIGNAL);
    if (sent > 0) c->sent += sent;
    uint32_t wanted = EPOLLIN | (c->sent < request_length ? EPOLLOUT : 0);
    if (wanted != c->watched) watch(c, EPOLL_CTL_MOD, wanted);
    c->connecting = 0;
}

static void ask(client *c) {
    c->a.stage = HEAD;
    c->a.head_length = c->a.body_bytes = c->a.left = c->a.line_kept = c->a.body_line_length = 0;
    c->a.events = c->a.done_is_last = c->a.status = c->a.closes = 0;
    c->sent = 0;
    c->first = c->piece = 0;
    c->waiting = 1;
    c->started = now_ns();
    if (c->fd < 0) dial(c); else transmit(c);
}

static void ask_again(client *c) {
    if (now_ns() < window_closes) ask(c);
}

static void fail(client *c, enum wrong what) {
    wrongs[what]++;
    hang_up(c);
    ask_again(c);
}

static void finish(client *c) {
    int64_t now = now_ns();
    enum wrong verdict = judge(&c->a);
    if (verdict != RIGHT) { fail(c, verdict); return; }
    answers_total++;
    events_total += c->a.events;
    if (now >= window_opens && now <= window_closes) answers_in_window++;
    if (c->started >= window_opens) {
        note(&latencies, now - c->started);
        note(&firsts, c->first - c->started);
    }
    c->waiting = 0;
    if (c->a.closes || c->a.stage == TO_CLOSE) hang_up(c);
    ask_again(c);
}

/* Takes the time of a read that brought a part of the body. */
static void time_piece(client *c, uint64_t bytes_before) {
    if (c->a.body_bytes == bytes_before) return;
    int64_t now = now_ns();
    if (!c->first) c->first = now;
    else if (expected_events && c->started >= window_opens) note(&gaps, now - c->piece);
    c->piece = now;
}

static void receive(client *c) {
    static char bytes[READ_BYTES];
    ssize_t got = recv(c->fd, bytes, sizeof bytes, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        if (got == 0 && c->waiting && c->a.stage == TO_CLOSE) finish(c);
        else if (c->waiting) fail(c, BROKEN);
        else hang_up(c);
        return;
    }
    uint64_t before = c->a.body_bytes;
    int bad = !c->waiting || take(&c->a, bytes, got) < 0;
    if (bad) { fail(c, BROKEN); return; }
    time_piece(c, before);
    if (c->a.stage == WHOLE) finish(c);
}

static void handle(client *c, uint32_t happened) {
    int failure = 0;
    socklen_t size = sizeof failure;
    if (c->connecting) getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &failure, &size);
    if (failure) { usleep(1000); fail(c, BROKEN); return; }
    if (happened & EPOLLOUT) transmit(c);
    if (happened & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(c);
}

/* -- the run -------------------------------------------------------------------------------------------------------- */

static int count_waiting(void) {
    int waiting = 0;
    for (int i = 0; i < client_count; i++) waiting += clients[i].waiting;
    return waiting;
}

static int ms_until(int64_t then) {
    int64_t rest = then - now_ns();
    return rest <= 0 ? 0 : (int)(rest / 1000000) + 1;
}

static void run(void) {
    struct epoll_event happened[256];
    int64_t begin = now_ns(), step = (int64_t)(ramp_ms * 1e6 / client_count), grace_ends, now;
    int begun = 0;
    window_opens = begin + (int64_t)(warmup_s * 1e9);
    window_closes = window_opens + (int64_t)(window_s * 1e9);
    grace_ends = window_closes + (int64_t)(grace_s * 1e9);
    while ((now = now_ns()) < grace_ends && (now < window_closes || count_waiting())) {
        while (begun < client_count && begin + begun * step <= now) ask(&clients[begun++]);
        int64_t next = begun < client_count ? begin + begun * step : now < window_closes ? window_closes : grace_ends;
        int count = epoll_wait(poll_fd, happened, 256, ms_until(next));
        for (int i = 0; i < count; i++) handle(happened[i].data.ptr, happened[i].events);
    }
}

static int ascending(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static double quantile_us(const samples *s, double q) {
    if (!s->count) return 0;
    size_t at = (size_t)(q * s->count);
    return s->values[at < s->count ? at : s->count - 1] / 1e3;
}

static void print_samples(const char *name, samples *s) {
    if (s->count) qsort(s->values, s->count, sizeof *s->values, ascending);
    printf("\"%s\": {\"p50\": %.1f, \"p95\": %.1f, \"p99\": %.1f, \"max\": %.1f}, ", name,
           quantile_us(s, .5), quantile_us(s, .95), quantile_us(s, .99), quantile_us(s, 1));
}

static void print_result(int unfinished) {
    printf("{\"connections\": %d, \"answers\": %llu, \"per_second\": %.1f, \"answers_total\": %llu, \"events_total\": %llu, ",
           client_count, (unsigned long long)answers_in_window, answers_in_window / window_s,
           (unsigned long long)answers_total, (unsigned long long)events_total);
    print_samples("latency_us", &latencies);
    print_samples("first_us", &firsts);
    print_samples("gap_us", &gaps);
    printf("\"wrong\": {\"status\": %llu, \"length\": %llu, \"events\": %llu, \"end\": %llu, \"broken\": %llu}, "
           "\"unfinished\": %d}\n",
           (unsigned long long)wrongs[BAD_STATUS], (unsigned long long)wrongs[BAD_LENGTH],
           (unsigned long long)wrongs[BAD_EVENTS], (unsigned long long)wrongs[BAD_END],
           (unsigned long long)wrongs[BROKEN], unfinished);
}

static void build_request(const char *body_file, const char *headers) {
    FILE *file = fopen(body_file, "rb");
    if (!file) { perror(body_file); exit(2); }
    fseek(file, 0, SEEK_END);
    size_t body_length = ftell(file);
    rewind(file);
    request = malloc(body_length + strlen(headers) + 256);
    request_length = sprintf(request,
        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n%s"
        "Content-Length: %zu\r\n\r\n",
        port, headers, body_length);
    request_length += fread(request + request_length, 1, body_length, file);
    fclose(file);
}

int main(int argc, char **argv) {
    char *body_file = NULL, headers[8192] = "";
    int option;
    while ((option = getopt(argc, argv, "p:b:c:d:w:g:r:H:L:E:")) != -1)
        switch (option) {
            case 'p': port = atoi(optarg); break;
            case 'b': body_file = optarg; break;
            case 'c': client_count = atoi(optarg); break;
            case 'd': window_s = atof(optarg); break;
            case 'w': warmup_s = atof(optarg); break;
            case 'g': grace_s = atof(optarg); break;
            case 'r': ramp_ms = atof(optarg); break;
            case 'L': expected_bytes = strtoull(optarg, NULL, 10); break;
            case 'E': expected_events = atoi(optarg); break;
            case 'H':
                if (strlen(headers) + strlen(optarg) + 3 > sizeof headers) return 2;
                strcat(strcat(headers, optarg), "\r\n");
                break;
            default: return 2;
        }
    if (port <= 0 || !body_file || client_count < 1 || window_s <= 0) {
        fprintf(stderr, "usage: load -p PORT -b BODY_FILE [-c CONNECTIONS] [-d SECONDS] ... (see the head of load.c)\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    build_request(body_file, headers);
    clients = calloc(client_count, sizeof *clients);
    for (int i = 0; i < client_count; i++) clients[i].fd = -1;
    poll_fd = epoll_create1(0);
    run();
    print_result(count_waiting());
    return 0;
}
