// beside_tp.h -- LTTng's half of bench/lttng/cost.cpp: the same events, with the same fields.
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER beside

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "beside_tp.h"

#if !defined(BESIDE_TP_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define BESIDE_TP_H

#include <lttng/tracepoint.h>

#define BESIDE_NUMBER(name) \
  LTTNG_UST_TRACEPOINT_EVENT(beside, name, LTTNG_UST_TP_ARGS(uint32_t, value), \
                             LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(uint32_t, value, value)))
BESIDE_NUMBER(off)
BESIDE_NUMBER(u32)
BESIDE_NUMBER(rejected)
BESIDE_NUMBER(accepted)
BESIDE_NUMBER(context)
BESIDE_NUMBER(span_begin)
LTTNG_UST_TRACEPOINT_EVENT(beside, span_end, LTTNG_UST_TP_ARGS(), LTTNG_UST_TP_FIELDS())
LTTNG_UST_TRACEPOINT_EVENT(beside, text, LTTNG_UST_TP_ARGS(const char*, text),
                           LTTNG_UST_TP_FIELDS(lttng_ust_field_string(text, text)))

#endif

#include <lttng/tracepoint-event.h>
