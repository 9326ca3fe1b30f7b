/** What people come to do, from signing in to its end, on a real node. */
import "./asker.ts";
import "./auditor.ts";
import "./contributor.ts";
import "./developer.ts";
import "./operator.ts";
import "./owner.ts";
import "./reader.ts";
import "./telephone.ts";
import "./validator.ts";
import "./voter.ts";
