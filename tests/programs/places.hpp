// places.hpp -- an inline function with an event, compiled into program places, its library and its module: each has a
// copy of its own.
#pragma once
#include <ouro/trace.hpp>

inline void in_inline_function(const char* who) { OURO_EVENT("places:inline_function", "who", who); }

template <class T>
void in_template(T value) {
  OURO_EVENT("places:template", "value", value);
}

void in_library(int number);
