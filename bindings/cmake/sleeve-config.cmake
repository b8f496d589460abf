# find_package(sleeve CONFIG): the targets of an installed Sleeve, wherever its prefix was moved to.
#
#   sleeve::sleeve          the shared library, or the static one where there is no other or
#                           SLEEVE_USE_STATIC_LIBS is on
#   sleeve::sleeve-shared   each by itself, where it is installed
#   sleeve::sleeve-static
#
# Headers: <sleeve/sleeve.h>, <sleeve/sleeve.hpp> and <sleeve/similarity.hpp> (C++17).

# This file is in share/cmake/sleeve, or, by vcpkg, in share/sleeve.
get_filename_component(_sleeve_prefix "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)
if(_sleeve_prefix MATCHES "/cmake$")
  get_filename_component(_sleeve_prefix "${_sleeve_prefix}/.." ABSOLUTE)
endif()
get_filename_component(_sleeve_prefix "${_sleeve_prefix}/.." ABSOLUTE)
include("${CMAKE_CURRENT_LIST_DIR}/sleeve-config-version.cmake")
set(sleeve_VERSION "${PACKAGE_VERSION}")

# The folder of the libraries is the installer's choice: lib, lib64 or lib/<machine>.
function(_sleeve_find variable)
  file(GLOB _candidates "${_sleeve_prefix}/lib/*-linux-*/${ARGV1}")
  foreach(_folder lib lib64 bin)
    list(APPEND _candidates "${_sleeve_prefix}/${_folder}/${ARGV1}")
  endforeach()
  foreach(_candidate IN LISTS _candidates)
    if(EXISTS "${_candidate}")
      set(${variable} "${_candidate}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  set(${variable} "" PARENT_SCOPE)
endfunction()
_sleeve_find(_sleeve_shared "${CMAKE_SHARED_LIBRARY_PREFIX}sleeve${CMAKE_SHARED_LIBRARY_SUFFIX}")
_sleeve_find(_sleeve_static "${CMAKE_STATIC_LIBRARY_PREFIX}sleeve${CMAKE_STATIC_LIBRARY_SUFFIX}")
set(_sleeve_name "libsleeve.so.1")
set(_sleeve_system "m;gcc_s")
if(APPLE)
  set(_sleeve_name "@rpath/libsleeve.1.dylib")
  set(_sleeve_system "m")
elseif(WIN32)
  # A DLL has no such name, and is linked by its import library.
  _sleeve_find(_sleeve_shared "sleeve.dll")
  _sleeve_find(_sleeve_import "libsleeve.dll.a")
  set(_sleeve_system "ntdll;userenv;ws2_32;dbghelp")
endif()

if(_sleeve_shared AND NOT TARGET sleeve::sleeve-shared)
  add_library(sleeve::sleeve-shared SHARED IMPORTED)
  set_target_properties(sleeve::sleeve-shared PROPERTIES
    IMPORTED_LOCATION "${_sleeve_shared}"
    IMPORTED_SONAME "${_sleeve_name}"
    INTERFACE_INCLUDE_DIRECTORIES "${_sleeve_prefix}/include")
  if(WIN32)
    set_target_properties(sleeve::sleeve-shared PROPERTIES IMPORTED_IMPLIB "${_sleeve_import}")
  endif()
endif()
if(_sleeve_static AND NOT TARGET sleeve::sleeve-static)
  find_package(Threads REQUIRED)
  add_library(sleeve::sleeve-static STATIC IMPORTED)
  set_target_properties(sleeve::sleeve-static PROPERTIES
    IMPORTED_LOCATION "${_sleeve_static}"
    INTERFACE_INCLUDE_DIRECTORIES "${_sleeve_prefix}/include"
    INTERFACE_LINK_LIBRARIES "Threads::Threads;${CMAKE_DL_LIBS};${_sleeve_system}")
endif()

if(NOT TARGET sleeve::sleeve)
  add_library(sleeve::sleeve INTERFACE IMPORTED)
  if(TARGET sleeve::sleeve-static AND (SLEEVE_USE_STATIC_LIBS OR NOT TARGET sleeve::sleeve-shared))
    set_target_properties(sleeve::sleeve PROPERTIES INTERFACE_LINK_LIBRARIES sleeve::sleeve-static)
  elseif(TARGET sleeve::sleeve-shared)
    set_target_properties(sleeve::sleeve PROPERTIES INTERFACE_LINK_LIBRARIES sleeve::sleeve-shared)
  endif()
endif()

if(_sleeve_shared OR _sleeve_static)
  set(sleeve_FOUND TRUE)
else()
  set(sleeve_FOUND FALSE)
  set(sleeve_NOT_FOUND_MESSAGE "no libsleeve under ${_sleeve_prefix}")
endif()
unset(_sleeve_shared)
unset(_sleeve_static)
unset(_sleeve_name)
unset(_sleeve_system)
unset(_sleeve_import)
unset(_sleeve_prefix)
