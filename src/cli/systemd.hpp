// cli/systemd.hpp -- what a service says to the manager that started it, and gets from it: protocols of sd_notify(3) and sd_listen_fds(3), which are
// a datagram and three environment variables. Without a manager nothing happens.
#pragma once
#include <chrono>
#include <optional>
#include <string>

namespace ouro::cli {

// "READY=1", "STOPPING=1", "STATUS=..."; lines of them.
void notify_manager(const std::string& state);

// How often it wants to hear "WATCHDOG=1" at least.
std::optional<std::chrono::microseconds> watchdog_period();

// The socket that it listens on for us, if there is one; from then on it is ours. Close-on-exec.
std::optional<int> take_listening_socket();

// In a child before its exec: all of it is not the child's.
void forget_manager();

}  // namespace ouro::cli
