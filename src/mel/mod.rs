//! Samples to 96 log-mel bands a frame, with the parameters of MusiCNN, faithful to Essentia.
