import { ENGINE_CASES } from '../chaos/cases.js';
import { holdAll } from '../chaos/holds.js';

describe('Faults of the engine', () => holdAll(ENGINE_CASES));
