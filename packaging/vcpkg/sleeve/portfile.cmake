# Sleeve, built from the checkout that this port is in:
#
#   vcpkg install sleeve --overlay-ports=packaging/vcpkg
#
# For vcpkg's own registry, vcpkg_from_github takes the place of the next line, with the SHA512 of the release's source.
# Needs cargo (Rust 1.95 or newer), of which vcpkg has no package. cargo fetches the crates of Cargo.lock.
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

find_program(CARGO cargo HINTS "$ENV{CARGO_HOME}/bin" "$ENV{HOME}/.cargo/bin")
if(NOT CARGO)
  message(FATAL_ERROR "sleeve: cargo is not on the path; https://rustup.rs installs it")
endif()

if(VCPKG_TARGET_ARCHITECTURE STREQUAL "x64")
  set(_architecture x86_64)
else()
  set(_architecture aarch64)
endif()
file(READ "${SOURCE_PATH}/bindings/c/src/version.rs" _source)
if(NOT _source MATCHES "SLEEVE_ABI_VERSION: u32 = ([0-9]+)")
  message(FATAL_ERROR "sleeve: bindings/c/src/version.rs does not have the ABI version")
endif()
set(_abi "${CMAKE_MATCH_1}")
if(VCPKG_TARGET_IS_OSX)
  set(_triple "${_architecture}-apple-darwin")
  set(_files "libsleeve.${_abi}.0.0.dylib" "libsleeve.${_abi}.dylib" "libsleeve.dylib")
  set(ENV{SLEEVE_SONAME} "@rpath/libsleeve.${_abi}.dylib")
  set(_private "-lSystem -lc -lm")
else()
  set(_triple "${_architecture}-unknown-linux-gnu")
  set(_files "libsleeve.so.${_abi}.0.0" "libsleeve.so.${_abi}" "libsleeve.so")
  set(ENV{SLEEVE_SONAME} "libsleeve.so.${_abi}")
  set(_private "-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc")
endif()

# One of the two profiles, with its folder in the package.
function(_sleeve_build profile output prefix)
  set(_target "${CURRENT_BUILDTREES_DIR}/cargo")
  vcpkg_execute_required_process(
    COMMAND "${CARGO}" build --locked --package sleeve-capi --profile "${profile}"
            --target "${_triple}" --target-dir "${_target}"
    WORKING_DIRECTORY "${SOURCE_PATH}"
    LOGNAME "cargo-${TARGET_TRIPLET}-${profile}")
  set(_built "${_target}/${_triple}/${output}")
  set(_lib "${CURRENT_PACKAGES_DIR}${prefix}/lib")
  file(MAKE_DIRECTORY "${_lib}/pkgconfig")
  if(VCPKG_LIBRARY_LINKAGE STREQUAL "static")
    file(COPY "${_built}/libsleeve.a" DESTINATION "${_lib}")
    set(_libs "-lsleeve ${_private}")
  else()
    list(GET _files 0 _whole)
    list(GET _files 1 _short)
    list(GET _files 2 _plain)
    file(COPY "${_built}/${_plain}" DESTINATION "${_lib}")
    file(RENAME "${_lib}/${_plain}" "${_lib}/${_whole}")
    file(CREATE_LINK "${_whole}" "${_lib}/${_short}" SYMBOLIC)
    file(CREATE_LINK "${_whole}" "${_lib}/${_plain}" SYMBOLIC)
    set(_libs "-lsleeve")
  endif()
  file(WRITE "${_lib}/pkgconfig/sleeve.pc"
    "prefix=\${pcfiledir}/../..\n"
    "\n"
    "Name: sleeve\n"
    "Description: Music embeddings: audio to MusiCNN mel-spectrograms, embeddings and tags\n"
    "Version: ${VERSION}\n"
    "Libs: -L\${prefix}/lib ${_libs}\n"
    "Cflags: -I\${prefix}/include\n")
endfunction()

if(NOT VCPKG_BUILD_TYPE STREQUAL "debug")
  _sleeve_build(release release "")
endif()
if(NOT VCPKG_BUILD_TYPE STREQUAL "release")
  _sleeve_build(dev debug "/debug")
endif()

file(COPY "${SOURCE_PATH}/include/sleeve" DESTINATION "${CURRENT_PACKAGES_DIR}/include")
# It finds the libraries two folders above it, as vcpkg lays packages out.
file(COPY "${SOURCE_PATH}/bindings/cmake/" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST
  "${SOURCE_PATH}/LICENSE-MIT" "${SOURCE_PATH}/LICENSE-APACHE" "${SOURCE_PATH}/models/README.md")
