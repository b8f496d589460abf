// SPDX-License-Identifier: AGPL-3.0-or-later
//
// sleeve_essentia.h: Sleeve's algorithms in Essentia's factories.
//
//     essentia::init();
//     sleeve_essentia::registerAlgorithms();
//     standard::Algorithm *predict = standard::AlgorithmFactory::create("SleevePredict", "model", "msd-musicnn-1");
//
// SleeveInputMusiCNN, SleevePredict and SleevePredict2D, each standard and streaming. Their descriptions
// (AlgorithmFactory::getInfo) are docstrings in Essentia's Python.

#ifndef SLEEVE_ESSENTIA_H
#define SLEEVE_ESSENTIA_H

#if defined(__GNUC__)
#define SLEEVE_ESSENTIA_API __attribute__((visibility("default")))
#else
#define SLEEVE_ESSENTIA_API
#endif

namespace sleeve_essentia {

// Registers the algorithms in both factories. Call it after essentia::init(), and again after essentia::shutdown() and
// another init(). Algorithms that are already registered are skipped. Throws EssentiaException if Essentia is not
// initialised.
SLEEVE_ESSENTIA_API void registerAlgorithms();

}  // namespace sleeve_essentia

#endif  // SLEEVE_ESSENTIA_H
