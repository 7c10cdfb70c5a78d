// The names of the contract's schemas that callers meet.
import type { components } from "./contract.js";

type Schemas = components["schemas"];

export type Annotation = Schemas["Annotation"];
export type AnnotationDocument = Schemas["Document"];
export type Changes = Schemas["Changes"];
export type Contour = Schemas["Contour"];
export type ContourRequest = Schemas["ContourRequest"];
export type Dataset = Schemas["Dataset"];
export type DocumentItem = Schemas["DocumentItem"];
export type FieldProblem = Schemas["FieldProblem"];
export type Inference = Schemas["Inference"];
export type Job = Schemas["Job"];
export type Label = Schemas["Label"];
export type Problem = Schemas["Problem"];
export type Sample = Schemas["Sample"];
export type UploadedSample = Schemas["UploadedSample"];
export type UploadReport = Schemas["UploadReport"];
