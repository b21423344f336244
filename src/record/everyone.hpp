// record/everyone.hpp -- sessions that all programs of a user join as they start: the file "everyone" in the runtime folder
// (ouro/abi/registry_layout.hpp).
#pragma once
#include <sys/types.h>

#include <string>

#include <ouro/result.hpp>

#include "record/session.hpp"

namespace ouro::record {

// Programs that start from now on join the session; those that run do not. One that is open to them stays so.
Status open_to_everyone(const std::string& folder, const SessionName& session, uid_t owner = ::geteuid());
// Do they? Also yes while somebody is just changing that.
bool is_open_to_everyone(const std::string& folder, const SessionName& session, uid_t owner = ::geteuid());
// Programs that start from now on do not. Nothing happens where the session was not open to all.
void close_to_everyone(const std::string& folder, const SessionName& session, uid_t owner = ::geteuid());

}  // namespace ouro::record
