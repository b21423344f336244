# How this project's targets are made: sources by folder, warnings, sanitizers.

# Sets `out` to the .cpp files of the given layers, tests and fuzzers left out. A layer may still be empty.
function(ouro_sources out)
  set(found)
  foreach(layer IN LISTS ARGN)
    file(GLOB files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${layer}/*.cpp)
    list(APPEND found ${files})
  endforeach()
  list(FILTER found EXCLUDE REGEX "_(test|fuzz)\\.cpp$")
  set(${out} ${found} PARENT_SCOPE)
endfunction()

# What every target of ours is compiled with. Nothing of it reaches a program that links the libraries.
function(ouro_own target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow)
  if(OURO_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  target_compile_features(${target} PRIVATE cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src)
endfunction()

# The library ouro_NAME, known to others as ouro::NAME and installed as libouro-NAME.
function(ouro_library name sources)
  set(target ouro_${name})
  set(kind STATIC)
  if(name STREQUAL "trace" AND OURO_SHARED)
    set(kind SHARED)
  endif()
  list(REMOVE_ITEM sources "")
  add_library(${target} ${kind} ${sources})
  add_library(ouro::${name} ALIAS ${target})
  ouro_own(${target})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  set_target_properties(${target} PROPERTIES
    OUTPUT_NAME ouro-${name} EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON)
  if(kind STREQUAL "SHARED")
    # The map names the library's interface; all else stays inside. Programs must know that it is not their own.
    set(script ${PROJECT_SOURCE_DIR}/cmake/trace.map)
    target_compile_definitions(${target} PUBLIC OURO_SHARED_LIBRARY)
    target_link_options(${target} PRIVATE -Wl,--version-script=${script})
    set_target_properties(${target} PROPERTIES
      VERSION ${PROJECT_VERSION} SOVERSION 0 LINK_DEPENDS ${script})
  elseif(name STREQUAL "trace")
    set_target_properties(${target} PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  endif()
endfunction()

if(OURO_SANITIZE)
  add_compile_options(-fsanitize=${OURO_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${OURO_SANITIZE})
  if(OURO_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ warns that ThreadSanitizer does not see fences. What a fence orders, docs/ring-protocol.md argues.
    add_compile_options(-Wno-tsan)
  endif()
endif()
if(OURO_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
