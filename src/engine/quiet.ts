/**
 * Turns off ONNX Runtime's telemetry, which its Linux build has on by default. Imported before the runtime is: the variable must be set
 * when the library loads, in the process itself (a worker thread's environment is a copy).
 */
process.env.ORT_DISABLE_TELEMETRY = "1";
