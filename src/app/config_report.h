/* Writing what a person is told about a configuration. */
#ifndef LEVERET_APP_CONFIG_REPORT_H
#define LEVERET_APP_CONFIG_REPORT_H

#include "app/config.h"

/* Appends text of the user's, cut to a readable length, without anything that a terminal would obey. */
void config_report_show(struct buffer *out, struct slice s);
/* "file:line: ", or "file: " with line 0. */
void config_report_place(struct buffer *out, const char *origin, unsigned line);
/* Starts an error's line; false when there are enough of them. The caller ends it with '\n'. */
bool config_report_begin(struct config_report *report, const char *origin, unsigned line);
/* A whole line. */
void config_report_error(struct config_report *report, const char *origin, unsigned line, const char *text);

#endif
