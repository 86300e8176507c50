/* Settings are valid UTF-8 without control characters when they get here; paths, options and variables may be
 * anything. */
#include "app/config_report.h"

#include "base/utf8.h"

enum { SHOWN_MAX = 80 };

void
config_report_show(struct buffer *out, struct slice s)
{
    size_t shown = s.len < SHOWN_MAX ? s.len : SHOWN_MAX;
    while (shown < s.len && shown > 0 && (s.data[shown] & 0xc0) == 0x80)
        shown--;
    bool is_text = utf8_is_valid(slice_of(s.data, shown));
    for (size_t i = 0; i < shown; i++) {
        uint8_t c = s.data[i];
        buffer_add_u8(out, c < 0x20 || c == 0x7f || (c >= 0x80 && !is_text) ? '?' : c);
    }
    if (shown < s.len)
        buffer_add_str(out, "...");
}

void
config_report_place(struct buffer *out, const char *origin, unsigned line)
{
    config_report_show(out, slice_str(origin));
    if (line > 0)
        buffer_add_fmt(out, ":%u", line);
    buffer_add_str(out, ": ");
}

bool
config_report_begin(struct config_report *report, const char *origin, unsigned line)
{
    if (report->error_count++ >= CONFIG_ERRORS_MAX)
        return false;
    config_report_place(&report->errors, origin, line);
    return true;
}

void
config_report_error(struct config_report *report, const char *origin, unsigned line, const char *text)
{
    if (!config_report_begin(report, origin, line))
        return;
    buffer_add_str(&report->errors, text);
    buffer_add_u8(&report->errors, '\n');
}

void
config_report_fini(struct config_report *report)
{
    buffer_fini(&report->errors);
    buffer_fini(&report->warnings);
}
