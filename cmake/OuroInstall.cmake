# install(): headers, libraries, the package for find_package(ouro), and pkg-config files.
include(CMakePackageConfigHelpers)

install(TARGETS ouro_ring ouro_trace ouro_read EXPORT ouroTargets)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ouro DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/ouro)
install(EXPORT ouroTargets NAMESPACE ouro:: DESTINATION ${package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/ouroConfig.cmake.in ouroConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
# Before 1.0 every minor version may change the interface.
write_basic_package_version_file(ouroConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ouroConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/ouroConfigVersion.cmake
        DESTINATION ${package_dir})

# The .pc files find their prefix from where they lie, so that an installed tree may be moved.
set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH pc_to_prefix /prefix/${pc_dir} /prefix)
function(ouro_pkg_config name requires cflags description)
  set(pc_name ouro-${name})
  set(pc_requires ${requires})
  set(pc_cflags ${cflags})
  set(pc_description ${description})
  configure_file(${PROJECT_SOURCE_DIR}/cmake/ouro.pc.in ${pc_name}.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${pc_name}.pc DESTINATION ${pc_dir})
endfunction()
set(trace_cflags)
if(OURO_SHARED)
  set(trace_cflags " -DOURO_SHARED_LIBRARY")
endif()
ouro_pkg_config(ring "" "" "Ring buffers for tracing: per-CPU, lock-free, shared between processes")
ouro_pkg_config(trace "" "${trace_cflags}" "Events, spans and counters of a traced program")
ouro_pkg_config(read "ouro-ring libzstd" "" "Reading traces")
