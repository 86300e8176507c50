/*
 * Which node is meant, where it listens, and the connection to it.
 *
 * The name: --node, LEVERET_NODENAME, RABBITMQ_NODENAME, else rabbit; without a host it gets this machine's.
 * The place: the socket of a data directory on this machine (--data-dir, LEVERET_DATA_DIR,
 * RABBITMQ_MNESIA_DIR, RABBITMQ_MNESIA_BASE/NAME, ./data, /var/lib/rabbitmq/mnesia/NAME, /var/lib/leveret:
 * the first that has one), else the peer port of the name's host, where the cookie opens. A node that has
 * another name than the one asked for is passed over; over TCP its host may have been called by any of its
 * names.
 */
#ifndef LEVERET_CTL_NODE_H
#define LEVERET_CTL_NODE_H

#include "base/err.h"
#include "mgmt/control_client.h"

#include <stdbool.h>
#include <stdint.h>

struct options;

enum { NODE_PATH_SIZE = 4096, NODE_NAME_SIZE = 300, NODE_COOKIE_SIZE = 256, NODE_PORT_DEFAULT = 25672 };

struct node {
    char name[NODE_NAME_SIZE];
    char host[NODE_NAME_SIZE]; /* the name's, without a port */
    uint16_t port;
    bool is_named;                 /* somebody said which */
    char data_dir[NODE_PATH_SIZE]; /* of the socket, or where one was expected */
    char cookie[NODE_COOKIE_SIZE];
    char cookie_path[NODE_PATH_SIZE]; /* "": given on the command line or in the environment */
    struct control_client *client;    /* NULL: not connected */
    bool is_local;
    bool has_failed;
    enum err why;
    char why_text[CONTROL_CLIENT_WHY_SIZE];
    char local_text[CONTROL_CLIENT_WHY_SIZE]; /* why the socket would not do; "": it was not tried */
};

/* Works the name and the places out; connects nowhere. */
void node_init(struct node *n, const struct options *o);
void node_fini(struct node *n);
/* Connects, once: a failure stays one. `timeout_ms` 0: as long as it takes. */
bool node_connect(struct node *n, uint64_t timeout_ms);
/* The connection or the failure never was: node_connect() tries again. */
void node_forget(struct node *n);
/* Where a socket stands or would stand: for messages and for files beside it. */
const char *node_socket(const struct node *n, char path[NODE_PATH_SIZE]);
/* Base64 of the cookie's MD5, as RabbitMQ shows it: lets two be compared, never seen. */
void node_cookie_hash(const struct node *n, char out[32]);
/* RabbitMQ's long message about a node that cannot be reached, on standard error. */
void node_explain(const struct node *n);

#endif
