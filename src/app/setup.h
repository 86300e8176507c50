/* From the configuration to what the layers below want: limits, sessions, TLS, the first declared things. */
#ifndef LEVERET_APP_SETUP_H
#define LEVERET_APP_SETUP_H

#include "app/config.h"
#include "broker/broker.h"
#include "broker/credential.h"
#include "durable/durable.h"
#include "io/tls.h"
#include "server/server.h"

struct broker_limits setup_limits(const struct config *c);
/* Slices point into `c`. */
void setup_server(struct server_config *out, const struct config *c);
/* What new passwords have to be like; freed by the caller. False: the pattern is none. */
bool setup_credentials(struct credential_rules **out, const struct config *c, char *why, size_t why_size);
/* NULL with `why` empty: no TLS listener is configured. NULL with a text: it cannot be. */
struct tls_context *setup_tls(const struct config *c, char *why, size_t why_size);
/* What new vhosts start with, for struct node: the caller frees it. */
struct vhost_defaults *setup_vhost_defaults(const struct config *c);
/* The default vhost, its user and permissions, on an empty node. False: `why` says what is wrong with them.
 */
bool setup_first_things(struct meta *m, const struct config *c, char *why, size_t why_size);
/* The global parameter internal_cluster_id, where there is none yet. */
bool setup_cluster_id(struct meta *m, char *why, size_t why_size);
/* Those of events and of the log: each is there when it is enabled and its virtual host exists; otherwise it
 * goes. */
bool setup_exchanges(struct meta *m, const struct config *c, char *why, size_t why_size);

/* Bytes of resident memory above which publishers are blocked. */
uint64_t setup_memory_watermark(const struct config *c);
/* Bytes free on the data directory's disk below which they are. */
uint64_t setup_disk_free_limit(const struct config *c);
/* Into what durable_config_init() has left; the directory's name points into `c`. */
void setup_durable(struct durable_config *out, const struct config *c);

#endif
