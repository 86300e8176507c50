/* The rows of config_keys.h at run time: finding the row of a key, and what a row takes. */
#ifndef LEVERET_APP_CONFIG_ROW_H
#define LEVERET_APP_CONFIG_ROW_H

#include "app/config.h"

struct config_row {
    const char *name;
    enum config_type type;
    size_t offset; /* of the member in struct config */
    const char *fallback;
    int64_t least, most;
    const char *words; /* separated by spaces */
    const char *text;
};

struct config_ignored {
    const char *pattern, *text;
};

extern const struct config_row config_rows[];
extern const size_t config_row_count;
extern const struct config_ignored config_ignored_rows[];
extern const size_t config_ignored_count;
extern const struct config_ignored config_refused_rows[];
extern const size_t config_refused_count;

/* What a key is: a row, or one that is ignored or refused, or nothing that is known. */
struct config_match {
    const struct config_row *row;
    const struct config_ignored *ignored, *refused;
    struct slice name; /* the user's part of a list's key; empty for others */
    bool is_whole;     /* the list's key without that part: it only takes `none` */
};

/* Among the patterns that match, the one with the earliest literal part wins ("log.file.level" is not a
 * category). */
struct config_match config_row_find(struct slice key);

/* The known key that is nearest to an unknown one, in `name`; false when none is near. */
bool config_row_suggest(struct slice key, char name[CONFIG_KEY_BYTES_MAX + 1]);

/* Of the users' parts of lists' keys: numbers first and by size, the others by their bytes. */
int config_row_name_order(struct slice a, struct slice b);
bool config_row_is_list(const struct config_row *row);
/* Whether a running node takes a new value when its configuration is read again. */
bool config_row_reloads(const struct config_row *row);
/* "a number from 0 to 65535", "one of: a, b": for messages and the documentation. */
void config_row_expected(const struct config_row *row, struct buffer *out);
/* The i-th word of the row; empty when there are fewer. */
struct slice config_row_word(const struct config_row *row, size_t i);

/* config_doc.c: the title of the section that begins with this row; NULL: none does. */
const char *config_doc_section(const struct config_row *row);

#endif
