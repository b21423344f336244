// tests/gtest_header.cpp -- compiles gtest's header once, for all tests: see CMakeLists.txt.
