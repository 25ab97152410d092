/* mock: the provider behind every gateway measured. One thread, epoll, loopback only.
 *
 *     mock -p PORT [-n EVENTS] [-b EVENT_BYTES]
 *
 * POST, any path     a fixed chat.completion of about 1.2 KB; or, where the body asks for a stream, EVENTS events of
 *                    EVENT_BYTES, an event with the usage and [DONE], each by a send() of its own.
 * GET /stats         {"requests": N, "streams": N, "connections": N}: what really arrived here.
 * GET, any other     a list of models, good enough as an answer to a health check.
 *
 * The text of a request may steer its answer: "bench-gap-10" puts 10 ms between two events, "bench-rounds-10" sends
 * those with text ten times over, and "bench-fault-NAME" breaks the answer in a known way, so that the load client can be shown to notice: "status" (500 instead of 200),
 * "short" (a body cut before its length), "brief" (a whole body that is not the one expected), "missing" (an event left
 * out), "undone" (no [DONE]), "cut" (the connection closed in mid-stream).
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
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MAX_EVENTS = 4096, READ_BYTES = 65536, MAX_REQUEST_BYTES = 64 << 20 };
enum fault { NO_FAULT, STATUS, SHORT, BRIEF, MISSING, UNDONE, CUT };

typedef struct {
    char *bytes;
    size_t length;
} text;

typedef struct connection {
    int fd;
    char *in;
    size_t in_length, in_room;
    char *out; /* what the socket would not take yet */
    size_t out_length, out_sent;
    int streaming, next_event, texts;
    enum fault fault;
    int64_t gap_ns, due_ns;
    int scheduled, dead;
    struct connection *earlier, *later;
} connection;

static int poll_fd, timer_fd, listen_fd;
static connection *first_due, *last_due;
static text whole, brief, broken, short_whole, models, stream_head, events[MAX_EVENTS];
static int event_count = 50, event_bytes = 200;
static unsigned long long requests, streams, connections;

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* -- the schedule: streams with an event to send, in order of time -------------------------------------------------- */

static void schedule(connection *c) {
    if (c->scheduled) return;
    connection *before = last_due;
    while (before && before->due_ns > c->due_ns) before = before->earlier;
    c->earlier = before;
    c->later = before ? before->later : first_due;
    if (c->later) c->later->earlier = c; else last_due = c;
    if (before) before->later = c; else first_due = c;
    c->scheduled = 1;
}

static void unschedule(connection *c) {
    if (!c->scheduled) return;
    if (c->earlier) c->earlier->later = c->later; else first_due = c->later;
    if (c->later) c->later->earlier = c->earlier; else last_due = c->earlier;
    c->scheduled = 0;
}

/* -- sending -------------------------------------------------------------------------------------------------------- */

static void watch(connection *c, int writable) {
    struct epoll_event interest = {.events = EPOLLIN | (writable ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, c->fd, &interest);
}

/* Sends all or keeps the rest for later; a stream is not scheduled meanwhile, so what is kept stays small. */
static void transmit(connection *c, text t) {
    ssize_t sent = c->out_length ? 0 : send(c->fd, t.bytes, t.length, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN) { c->dead = 1; return; }
        sent = 0;
    }
    if ((size_t)sent == t.length) return;
    c->out = realloc(c->out, c->out_length + t.length - sent);
    memcpy(c->out + c->out_length, t.bytes + sent, t.length - sent);
    c->out_length += t.length - sent;
    watch(c, 1);
}

/* A stream undone has its usage twice and no [DONE]. */
static void send_next_event(connection *c) {
    int number = c->next_event++;
    int event = number < c->texts ? number % event_count : number - c->texts + event_count;
    int undone = c->fault == UNDONE && event == event_count + 1;
    if (c->fault == CUT && number == 20) { c->dead = 1; return; }
    if (c->fault != MISSING || number != 7) transmit(c, events[undone ? event_count : event]);
    if (c->next_event == c->texts + 2) {
        transmit(c, (text){"0\r\n\r\n", 5});
        c->streaming = 0;
    }
}

static void answer(connection *c, int wants_stream) {
    if (c->fault == STATUS) { transmit(c, broken); return; }
    if (c->fault == SHORT) { transmit(c, short_whole); c->dead = 1; return; }
    if (!wants_stream) { transmit(c, c->fault == BRIEF ? brief : whole); return; }
    c->streaming = 1;
    c->next_event = 0;
    transmit(c, stream_head);
    c->due_ns = now_ns();
    schedule(c);
}

/* -- reading -------------------------------------------------------------------------------------------------------- */

static const char *header(const char *head, const char *name) {
    const char *found = strcasestr(head, name);
    return found ? found + strlen(name) : NULL;
}

/* Returns the length of the request at the start of the buffer, or 0 while it is incomplete. */
static size_t request_length(connection *c, size_t *head_length) {
    char *end = memmem(c->in, c->in_length, "\r\n\r\n", 4);
    if (!end) return 0;
    *head_length = end - c->in + 4;
    end[2] = 0; /* so that only the head is searched */
    const char *length = header(c->in, "\r\ncontent-length:");
    int chunked = header(c->in, "\r\ntransfer-encoding: chunked") != NULL;
    end[2] = '\r';
    if (length) {
        size_t total = *head_length + strtoull(length, NULL, 10);
        return c->in_length >= total ? total : 0;
    }
    if (!chunked) return *head_length;
    char *last = memmem(end, c->in_length - (end - c->in), "\r\n0\r\n\r\n", 7);
    return last ? (size_t)(last - c->in) + 7 : 0;
}

static enum fault asked_fault(const char *body, size_t length) {
    static const char *names[] = {"", "status", "short", "brief", "missing", "undone", "cut"};
    const char *mark = memmem(body, length, "bench-fault-", 12);
    for (int i = 1; mark && i <= CUT; i++)
        if (!strncmp(mark + 12, names[i], strlen(names[i]))) return i;
    return NO_FAULT;
}

static void send_stats(connection *c) {
    char body[160], message[320];
    int length = snprintf(body, sizeof body, "{\"requests\": %llu, \"streams\": %llu, \"connections\": %llu}",
                          requests, streams, connections);
    int total = snprintf(message, sizeof message,
                         "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s", length, body);
    transmit(c, (text){message, total});
}

static void serve(connection *c, const char *body, size_t length) {
    if (c->in[0] != 'P') {
        if (!strncmp(c->in, "GET /stats ", 11)) send_stats(c); else transmit(c, models);
        return;
    }
    int wants_stream = memmem(body, length, "\"stream\":true", 13) || memmem(body, length, "\"stream\": true", 14);
    const char *gap = memmem(body, length, "bench-gap-", 10);
    c->gap_ns = gap ? atoi(gap + 10) * INT64_C(1000000) : 0;
    const char *rounds = memmem(body, length, "bench-rounds-", 13);
    c->texts = event_count * (rounds ? atoi(rounds + 13) : 1);
    c->fault = asked_fault(body, length);
    requests++;
    streams += wants_stream;
    answer(c, wants_stream);
}

static void serve_complete_requests(connection *c) {
    size_t head, total;
    while (!c->streaming && !c->dead && c->in_length && (total = request_length(c, &head))) {
        serve(c, c->in + head, total - head);
        memmove(c->in, c->in + total, c->in_length - total);
        c->in_length -= total;
    }
}

static void receive(connection *c) {
    if (c->in_room - c->in_length < READ_BYTES / 2) {
        c->in_room += READ_BYTES;
        c->in = realloc(c->in, c->in_room + 1);
    }
    ssize_t got = recv(c->fd, c->in + c->in_length, c->in_room - c->in_length, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN)) { c->dead = 1; return; }
    if (got < 0) return;
    c->in_length += got;
    c->in[c->in_length] = 0;
    if (c->in_length > MAX_REQUEST_BYTES) { c->dead = 1; return; }
    serve_complete_requests(c);
}

static void write_rest(connection *c) {
    ssize_t sent = send(c->fd, c->out + c->out_sent, c->out_length - c->out_sent, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) { c->dead = 1; return; }
    if (sent > 0) c->out_sent += sent;
    if (c->out_sent < c->out_length) return;
    c->out_length = c->out_sent = 0;
    watch(c, 0);
    if (c->streaming) schedule(c); else serve_complete_requests(c);
}

/* -- connections ---------------------------------------------------------------------------------------------------- */

static void accept_all(void) {
    int fd, on = 1;
    while ((fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        connection *c = calloc(1, sizeof *c);
        c->fd = fd;
        connections++;
        struct epoll_event interest = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &interest);
    }
}

static void drop(connection *c) {
    unschedule(c);
    close(c->fd);
    free(c->in);
    free(c->out);
    free(c);
}

/* Sends what is due. A fast stream is due again at once, but after all others, so that none holds the rest up. */
static void send_due(void) {
    int64_t now = now_ns();
    while (first_due && first_due->due_ns <= now) {
        connection *c = first_due;
        unschedule(c);
        send_next_event(c);
        c->due_ns = c->gap_ns ? c->due_ns + c->gap_ns : now + 1;
        if (c->streaming && !c->dead && !c->out_length) schedule(c);
        if (!c->streaming) serve_complete_requests(c);
        if (c->dead) drop(c);
    }
}

/* Returns epoll's timeout, having set the timer where the next event is still to come: epoll itself counts in ms. */
static int time_to_next(void) {
    if (!first_due) return -1;
    if (first_due->due_ns <= now_ns()) return 0;
    struct itimerspec when = {.it_value = {first_due->due_ns / 1000000000, first_due->due_ns % 1000000000}};
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
    return -1;
}

static void handle(connection *c, uint32_t happened) {
    if (happened & EPOLLOUT) write_rest(c);
    if (!c->dead && (happened & (EPOLLIN | EPOLLHUP | EPOLLERR))) receive(c);
    if (c->dead) drop(c);
}

static void run(void) {
    struct epoll_event happened[256];
    for (;;) {
        int count = epoll_wait(poll_fd, happened, 256, time_to_next());
        for (int i = 0; i < count; i++) {
            void *source = happened[i].data.ptr;
            uint64_t expirations;
            if (source == &listen_fd) accept_all();
            else if (source == &timer_fd) { if (read(timer_fd, &expirations, sizeof expirations) < 0) continue; }
            else handle(source, happened[i].events);
        }
        send_due();
    }
}

/* -- the fixed answers ---------------------------------------------------------------------------------------------- */

static text message(const char *status, const char *body, size_t body_length, size_t declared) {
    text t = {malloc(body_length + 256), 0};
    t.length = sprintf(t.bytes,
        "HTTP/1.1 %s\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\ncontent-length: %zu\r\n\r\n",
        status, declared);
    memcpy(t.bytes + t.length, body, body_length);
    t.length += body_length;
    return t;
}

static text chunk(const char *data) {
    size_t length = strlen(data);
    text t = {malloc(length + 32), 0};
    t.length = sprintf(t.bytes, "%zx\r\n", length);
    memcpy(t.bytes + t.length, data, length);
    memcpy(t.bytes + t.length + length, "\r\n", 2);
    t.length += length + 2;
    return t;
}

static void build_whole_answers(void) {
    char words[1024] = "", body[2048];
    while (strlen(words) < 700) strcat(words, "A narthex is the hall at the door of a great building, where everyone is received. ");
    size_t length = sprintf(body,
        "{\"id\":\"chatcmpl-bench0123456789abcdef\",\"object\":\"chat.completion\",\"created\":1760000000,\"model\":\"gpt-bench\","
        "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%sThat is all.\",\"refusal\":null},"
        "\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":112,\"completion_tokens\":168,\"total_tokens\":280,"
        "\"prompt_tokens_details\":{\"cached_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0}},"
        "\"system_fingerprint\":\"fp_bench\"}", words);
    whole = message("200 OK", body, length, length);
    short_whole = message("200 OK", body, length / 2, length);
    brief = message("200 OK", "{\"choices\":[]}", 14, 14);
    const char *failure = "{\"error\":{\"message\":\"asked to fail\",\"type\":\"server_error\",\"param\":null,\"code\":null}}";
    broken = message("500 Internal Server Error", failure, strlen(failure), strlen(failure));
    const char *list = "{\"object\":\"list\",\"data\":[{\"id\":\"gpt-bench\",\"object\":\"model\",\"created\":1,\"owned_by\":\"bench\"}]}";
    models = message("200 OK", list, strlen(list), strlen(list));
}

static void build_stream(void) {
    static const char *start = "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,"
                               "\"model\":\"gpt-bench\",";
    static const char *head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
                              "transfer-encoding: chunked\r\n\r\n";
    char *data = malloc(event_bytes + 1024);
    stream_head = (text){(char *)head, strlen(head)};
    for (int i = 0; i < event_count; i++) {
        int length = sprintf(data, "%s\"choices\":[{\"index\":0,\"delta\":{%s\"content\":\" word%04d",
                             start, i ? "" : "\"role\":\"assistant\",", i);
        while (length < event_bytes - 27) data[length++] = 'x';
        sprintf(data + length, "\"},\"finish_reason\":%s}]}\n\n", i == event_count - 1 ? "\"stop\"" : "null");
        events[i] = chunk(data);
    }
    sprintf(data, "%s\"choices\":[],\"usage\":{\"prompt_tokens\":112,\"completion_tokens\":%d,\"total_tokens\":%d}}\n\n",
            start, event_count, 112 + event_count);
    events[event_count] = chunk(data);
    events[event_count + 1] = chunk("data: [DONE]\n\n");
    free(data);
}

static void listen_on(int port) {
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listen_fd, (void *)&address, sizeof address) || listen(listen_fd, 4096)) {
        perror("mock: cannot listen");
        exit(1);
    }
    poll_fd = epoll_create1(0);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event accepting = {.events = EPOLLIN, .data.ptr = &listen_fd};
    struct epoll_event ticking = {.events = EPOLLIN, .data.ptr = &timer_fd};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, listen_fd, &accepting);
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, timer_fd, &ticking);
}

int main(int argc, char **argv) {
    int port = 0, option;
    while ((option = getopt(argc, argv, "p:n:b:")) != -1)
        switch (option) {
            case 'p': port = atoi(optarg); break;
            case 'n': event_count = atoi(optarg); break;
            case 'b': event_bytes = atoi(optarg); break;
            default: return 2;
        }
    if (port <= 0 || event_count < 1 || event_count > MAX_EVENTS - 2 || event_bytes < 1) {
        fprintf(stderr, "usage: mock -p PORT [-n EVENTS] [-b EVENT_BYTES]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    build_whole_answers();
    build_stream();
    listen_on(port);
    run();
}
