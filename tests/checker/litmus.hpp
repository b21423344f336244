// litmus.hpp -- the machine's memory by itself: the classic shapes, each with what C11 allows and forbids.
#pragma once
namespace ouro::checker {
bool run_litmus();
}
