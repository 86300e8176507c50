/* What needs no node: encrypted configuration values and what they can be encrypted with, where the cookie
 * comes from. */
#include "ctl/commands.h"
#include "ctl/external.h"
#include "ctl/node.h"
#include "ctl/sealed.h"
#include "wire/erlang_terms.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_WIDTH = 80 };

/* ---- list_ciphers, list_hashes ---- */

/* An Erlang list of atoms, broken as Erlang breaks it. */
static void
print_atoms(struct ctl *c, const char *const *names)
{
    size_t column = 1;
    ctl_print(c, "[");
    for (size_t i = 0; names[i]; i++) {
        size_t len = strlen(names[i]) + 1;
        if (column + len > LINE_WIDTH) {
            ctl_print(c, "\n ");
            column = 1;
        }
        ctl_print(c, "%s%s", names[i], names[i + 1] ? "," : "]\n");
        column += len;
    }
}

static int
show_atoms(struct ctl *c, const char *const *names)
{
    if (ctl_is_for_people(c)) {
        print_atoms(c, names);
        return EX_OK;
    }
    json_t *list = json_array();
    for (size_t i = 0; names[i]; i++)
        json_array_append_new(list, json_string(names[i]));
    return ctl_show(c, json_pack("{s:s, s:s, s:o}", "node", c->at->name, "result", "ok", "value", list));
}

static int
list_ciphers(struct ctl *c)
{
    ctl_banner(c, "Listing supported ciphers ...");
    return show_atoms(c, sealed_ciphers);
}

static int
list_hashes(struct ctl *c)
{
    ctl_banner(c, "Listing supported hash algorithms ...");
    return show_atoms(c, sealed_hashes);
}

/* ---- erlang_cookie_sources ---- */

static int
erlang_cookie_sources(struct ctl *c)
{
    char path[NODE_PATH_SIZE];
    struct stat st;
    const struct passwd *user = getpwuid(geteuid());
    const char *option = ctl_text(c, "erlang-cookie", ""), *variable = getenv("RABBITMQ_ERLANG_COOKIE");
    snprintf(path, sizeof path, "%s", c->at->cookie_path[0] ? c->at->cookie_path : "");
    bool is_there = path[0] && stat(path, &st) == 0;
    ctl_banner(c, "Listing Erlang cookie sources used by CLI tools...");
    json_t *value = json_pack(
        "{s:s, s:s, s:s, s:b, s:s, s:I, s:b, s:I, s:b, s:I}", "effective_user", user ? user->pw_name : "",
        "os_home", user ? user->pw_dir : "", "os_cookie_file_path", path, "os_cookie_file_exists", is_there,
        "os_cookie_file_type", is_there && S_ISREG(st.st_mode) ? "regular" : "", "os_cookie_file_size",
        (json_int_t)(is_there ? st.st_size : 0), "switch_cookie_set", *option != 0,
        "switch_cookie_value_length", (json_int_t)strlen(option), "os_env_cookie_set", variable != NULL,
        "os_env_cookie_value_length", (json_int_t)(variable ? strlen(variable) : 0));
    if (!ctl_is_for_people(c))
        return ctl_show(c, value);
    json_decref(value);
    ctl_heading(c, "Cookie File");
    ctl_print(
        c, "Effective user: %s\nEffective home directory: %s\nCookie file path: %s\nCookie file exists? %s\n",
        user ? user->pw_name : "", user ? user->pw_dir : "", path, is_there ? "true" : "false");
    ctl_print(c, "Cookie file size: %lld\n\n", (long long)(is_there ? st.st_size : 0));
    ctl_heading(c, "Cookie CLI Switch");
    ctl_print(c, "--erlang-cookie value set? %s\n--erlang-cookie value length: %zu\n\n",
              *option ? "true" : "false", strlen(option));
    ctl_heading(c, "Env variable  (Deprecated)");
    ctl_print(c, "RABBITMQ_ERLANG_COOKIE value set? %s\nRABBITMQ_ERLANG_COOKIE value length: %zu\n",
              variable ? "true" : "false", variable ? strlen(variable) : 0);
    return EX_OK;
}

/* ---- encode, decode ---- */

static struct sealed_how
how_of(const struct ctl *c)
{
    return (struct sealed_how){.cipher = ctl_text(c, "cipher", SEALED_CIPHER),
                               .hash = ctl_text(c, "hash", SEALED_HASH),
                               .iterations = (int)ctl_number(c, "iterations", SEALED_ITERATIONS)};
}

static int
check_how(struct ctl *c)
{
    struct sealed_how how = how_of(c);
    long long iterations = ctl_number(c, "iterations", SEALED_ITERATIONS);
    if (c->arg_count < 2)
        return ctl_invalid(c, "Please provide a value to %s and a passphrase.", c->command->name);
    if (!sealed_has_cipher(how.cipher))
        return ctl_bad_argument(c, "The requested cipher is not supported.");
    if (!sealed_has_hash(how.hash))
        return ctl_bad_argument(c, "The requested hash is not supported");
    if (iterations < 1 || iterations > SEALED_ITERATIONS_MAX)
        return ctl_bad_argument(c, "The requested number of iterations is incorrect");
    return EX_OK;
}

/* The argument as an Erlang term: a full stop behind it may be missing. */
static bool
parse(const char *text, struct erlang_terms *terms)
{
    struct erlang_error error;
    struct buffer whole = {0};
    size_t len = strlen(text);
    buffer_add_fmt(&whole, "%s%s\n", text, len > 0 && text[len - 1] == '.' ? "" : ".");
    bool is_good = erlang_terms_parse(terms, buffer_slice(&whole), &error) && terms->count == 1;
    buffer_fini(&whole);
    return is_good;
}

static int
encode(struct ctl *c)
{
    struct erlang_terms terms;
    struct sealed_how how = how_of(c);
    struct buffer bytes = {0}, sealed = {0};
    ctl_banner(c, "Encrypting value ...");
    enum err e = parse(c->args[0], &terms) ? external_encode(&bytes, terms.first) : ERR_SYNTAX;
    if (e == ERR_OK)
        e = sealed_close(&sealed, &how, c->args[1], buffer_slice(&bytes));
    int code = EX_OK;
    if (e == ERR_OK)
        ctl_print(c, "{encrypted,<<\"%.*s\">>}\n", SLICE_FMT(buffer_slice(&sealed)));
    else
        code = ctl_error(c, EX_UNAVAILABLE, "Error during cipher operation.");
    erlang_terms_fini(&terms);
    if (bytes.data)
        explicit_bzero(bytes.data, bytes.len);
    buffer_fini(&bytes);
    buffer_fini(&sealed);
    return code;
}

/* {encrypted, <<"...">>}, or what is in it. */
static bool
sealed_text(const struct erlang_term *term, struct slice *text)
{
    struct slice name;
    const struct erlang_term *value;
    if (erlang_terms_pair(term, &name, &value) && slice_eq_str(name, "encrypted"))
        term = value;
    return term->kind != ERLANG_ATOM && erlang_terms_text(term, text);
}

static int
decode(struct ctl *c)
{
    struct erlang_terms terms;
    struct sealed_how how = how_of(c);
    struct buffer bytes = {0}, text = {0};
    struct slice base64;
    ctl_banner(c, "Decrypting value...");
    bool is_term = parse(c->args[0], &terms);
    if (!is_term || !sealed_text(terms.first, &base64))
        base64 = slice_str(c->args[0]);
    enum err e = sealed_open(&bytes, &how, c->args[1], base64);
    if (e == ERR_OK)
        e = external_print(&text, buffer_slice(&bytes));
    int code = EX_OK;
    if (e == ERR_OK)
        ctl_print(c, "%.*s\n", SLICE_FMT(buffer_slice(&text)));
    else
        code = ctl_error(c, EX_UNAVAILABLE,
                         "Failed to decrypt the value. Things to check: is the passphrase correct? Are the "
                         "cipher and hash "
                         "algorithms the same as those used for encryption?");
    erlang_terms_fini(&terms);
    if (bytes.data)
        explicit_bzero(bytes.data, bytes.len);
    buffer_fini(&bytes);
    buffer_fini(&text);
    return code;
}

static const struct ctl_option how_options[] = {
    {"cipher", 0, CTL_TEXT}, {"hash", 0, CTL_TEXT}, {"iterations", 0, CTL_NUMBER}, {0}};

#define HOW_DETAILS                                                                                          \
    "<value>\n\tan Erlang term, as it stands in advanced.config\n\n<passphrase>\n\twhat the key is made "    \
    "of\n\n"                                                                                                 \
    "--cipher <cipher>\n\tone of list_ciphers\n\n--hash <hash>\n\tone of list_hashes\n\n"                    \
    "--iterations <iterations>\n\thow often the passphrase is hashed\n"

const struct ctl_command commands_local[] = {
    {
        .name = "decode",
        .tools = CTL_CTL,
        .group = CTL_GROUP_CONFIGURATION,
        .usage = "value passphrase [--cipher <cipher>] [--hash <hash>] [--iterations <iterations>]",
        .summary = "Decrypts a configuration value",
        .details = HOW_DETAILS,
        .run = decode,
        .check = check_how,
        .options = how_options,
        .args_max = 2,
        .flags = CTL_LOCAL,
    },
    {
        .name = "encode",
        .tools = CTL_CTL,
        .group = CTL_GROUP_CONFIGURATION,
        .usage = "value passphrase [--cipher <cipher>] [--hash <hash>] [--iterations <iterations>]",
        .summary = "Encrypts a configuration value",
        .details = HOW_DETAILS,
        .run = encode,
        .check = check_how,
        .options = how_options,
        .args_max = 2,
        .flags = CTL_LOCAL,
    },
    {
        .name = "erlang_cookie_sources",
        .tools = CTL_DIAGNOSTICS,
        .group = CTL_GROUP_CONFIGURATION,
        .usage = "",
        .summary = "Shows where this tool takes the cookie from",
        .run = erlang_cookie_sources,
        .flags = CTL_LOCAL,
    },
    {
        .name = "list_ciphers",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_MONITORING,
        .usage = "",
        .summary = "Lists the ciphers that encode and decode know",
        .run = list_ciphers,
        .flags = CTL_LOCAL,
    },
    {
        .name = "list_hashes",
        .tools = CTL_CTL | CTL_DIAGNOSTICS,
        .group = CTL_GROUP_MONITORING,
        .usage = "",
        .summary = "Lists the hash functions that encode and decode know",
        .run = list_hashes,
        .flags = CTL_LOCAL,
    },
    {0},
};
