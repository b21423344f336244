// every_tp.h -- LTTng's half of bench/lttng/every.cpp: an event of each field type that LTTng-UST 2.13 has, and the usual small ones.
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER every

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "every_tp.h"

#if !defined(EVERY_TP_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define EVERY_TP_H

#include <lttng/tracepoint.h>

#include <cstdint>

LTTNG_UST_TRACEPOINT_ENUM(every, colour,
                          LTTNG_UST_TP_ENUM_VALUES(lttng_ust_field_enum_value("red", 0) lttng_ust_field_enum_range("warm", 1, 3)
                                                       lttng_ust_field_enum_value("blue", 7)))

LTTNG_UST_TRACEPOINT_EVENT(every, number, LTTNG_UST_TP_ARGS(uint32_t, value), LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(uint32_t, value, value)))
LTTNG_UST_TRACEPOINT_EVENT(every, request, LTTNG_UST_TP_ARGS(uint64_t, id, const char*, path, int, status),
                           LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(uint64_t, id, id) lttng_ust_field_string(path, path)
                                                   lttng_ust_field_integer(int, status, status)))
LTTNG_UST_TRACEPOINT_EVENT(every, types,
                           LTTNG_UST_TP_ARGS(int64_t, n, const char*, text, const uint16_t*, numbers, unsigned, count, double, real),
                           LTTNG_UST_TP_FIELDS(
                               lttng_ust_field_integer(int8_t, i8, n) lttng_ust_field_integer(uint8_t, u8, n) lttng_ust_field_integer(int16_t, i16, n)
                               lttng_ust_field_integer(int64_t, i64, n) lttng_ust_field_integer_hex(uint64_t, hex, n)
                               lttng_ust_field_integer_network(uint32_t, network, n) lttng_ust_field_integer_network_hex(uint16_t, network_hex, n)
                               lttng_ust_field_integer_nowrite(int, unseen, n) lttng_ust_field_float(float, f32, real)
                               lttng_ust_field_float(double, f64, real) lttng_ust_field_array(uint16_t, three, numbers, 3)
                               lttng_ust_field_array_hex(uint16_t, three_hex, numbers, 3)
                               lttng_ust_field_array_network(uint16_t, three_network, numbers, 3) lttng_ust_field_array_text(char, four, text, 4)
                               lttng_ust_field_sequence(uint16_t, some, numbers, unsigned, count)
                               lttng_ust_field_sequence_hex(uint16_t, some_hex, numbers, unsigned, count)
                               lttng_ust_field_sequence_network(uint16_t, some_network, numbers, unsigned, count)
                               lttng_ust_field_sequence_text(char, some_text, text, unsigned, count) lttng_ust_field_string(text, text)
                               lttng_ust_field_enum(every, colour, int, colour, static_cast<int>(n & 7)) lttng_ust_field_unused(n)))

#endif

#include <lttng/tracepoint-event.h>
