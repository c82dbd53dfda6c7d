import { WORKER_CASES } from '../chaos/cases.js';
import { holdAll } from '../chaos/holds.js';

describe('Faults of workers', () => holdAll(WORKER_CASES));
