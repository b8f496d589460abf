# Runs the port of packaging/vcpkg without vcpkg: what the port calls of vcpkg's is defined here as its manual describes it.
#
#   cmake -DPORT_FOLDER=... -DPACKAGES=... -DTREES=... -DVCPKG_LIBRARY_LINKAGE=... -P vcpkg.cmake
set(PORT sleeve)
set(CURRENT_PACKAGES_DIR "${PACKAGES}")
set(CURRENT_BUILDTREES_DIR "${TREES}")
set(TARGET_TRIPLET x64-linux)
set(VCPKG_TARGET_ARCHITECTURE x64)
set(VCPKG_TARGET_IS_OSX OFF)
# One profile compiles in half the time; the other differs by a word.
set(VCPKG_BUILD_TYPE release)

# vcpkg gives the manifest's version.
file(READ "${PORT_FOLDER}/vcpkg.json" _manifest)
string(JSON VERSION GET "${_manifest}" version)

function(vcpkg_execute_required_process)
  cmake_parse_arguments(PARSE_ARGV 0 _run "" "WORKING_DIRECTORY;LOGNAME" "COMMAND")
  if(NOT _run_LOGNAME OR _run_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "vcpkg_execute_required_process: ${_run_UNPARSED_ARGUMENTS}")
  endif()
  execute_process(COMMAND ${_run_COMMAND} WORKING_DIRECTORY "${_run_WORKING_DIRECTORY}" COMMAND_ERROR_IS_FATAL ANY)
endfunction()

function(vcpkg_install_copyright)
  cmake_parse_arguments(PARSE_ARGV 0 _copyright "" "COMMENT" "FILE_LIST")
  set(_text "")
  foreach(_file IN LISTS _copyright_FILE_LIST)
    file(READ "${_file}" _one)
    string(APPEND _text "${_one}\n")
  endforeach()
  file(WRITE "${CURRENT_PACKAGES_DIR}/share/${PORT}/copyright" "${_text}")
endfunction()

include("${PORT_FOLDER}/portfile.cmake")
