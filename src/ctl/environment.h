/*
 * RabbitMQ's environment variables: LEVERET_NAME, RABBITMQ_NAME, or NAME in rabbitmq-env.conf
 * (RABBITMQ_CONF_ENV_FILE), in that order.
 */
#ifndef LEVERET_CTL_ENVIRONMENT_H
#define LEVERET_CTL_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

/* Without prefix: "NODENAME". False: not set, or empty. */
bool environment_get(const char *name, char *out, size_t size);

#endif
